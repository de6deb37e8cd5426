/**
 * By `job_id` and the tools, as every client can. It is the only way of the v2 SDK client: that one
 * refuses a task in the place of a tool's answer, and has no methods for tasks.
 */
import type { Client } from '@modelcontextprotocol/client';
import type { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js';
import { until } from '../support/until.ts';
import type { Args, JobClient } from './job-client.ts';

type Data = Readonly<Record<string, unknown>>;

/** `data` of a tool's structured content. */
export async function dataOf(client: Client | OldClient, name: string, args: Args): Promise<Data> {
  const answer = await client.callTool({ name, arguments: args });
  const { data } = (answer.structuredContent ?? {}) as { data?: Data };
  if (data === undefined) throw new Error(`${name}: ${JSON.stringify(answer)}`);
  return data;
}

/** Keys of what a job asks; tasks of 2025-11-25 tell only that it does. */
export async function questionsOf(client: Client | OldClient, id: string): Promise<string[]> {
  const job = await dataOf(client, 'get_job_status', { job_id: id });
  return Object.keys(job['input_requests'] ?? {});
}

export function byTools(client: Client | OldClient): JobClient {
  const data = (name: string, args: Args): Promise<Data> => dataOf(client, name, args);
  return {
    submit: async (name, args) => String((await data(name, args))['job_id']),
    result: (id) =>
      until(
        `${id} is final`,
        async () => {
          const job = await data('get_job_status', { job_id: id, wait_seconds: 5 });
          if (job['status'] === 'completed') return { data: job['result'] };
          const { code } = (job['error'] ?? {}) as { code?: string };
          if (code === 'JOB_CANCELLED') return { cancelled: true };
          return code === undefined ? false : { error: job['error'] };
        },
        { ms: 30_000 },
      ),
    cancel: async (id) => void (await data('cancel_job', { job_id: id })),
    questions: (id) => questionsOf(client, id),
    answer: async (id, answers) => void (await data('answer_job', { job_id: id, answers })),
    close: () => client.close(),
  };
}
