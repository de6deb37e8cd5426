/** The three ways to one job, in the same words: submit, look, answer. */
import assert from 'node:assert/strict';
import { until } from '../support/until.ts';
import type { Era, Server } from './transports.ts';

type Args = Readonly<Record<string, unknown>>;

export interface Seen {
  /** A job that runs says so by its progress. */
  readonly state: 'queued' | 'running' | 'asking' | 'final';
  /** Structured content of the tool's result, once it is final. */
  readonly result?: unknown;
}

export interface Surface {
  readonly era: Era;
  submit(server: Server, name: string, args: Args): Promise<string>;
  look(server: Server, id: string): Promise<Seen>;
  answer(server: Server, id: string, answers: Args): Promise<void>;
}

/** `data` of a tool, in whatever generation the server is spoken with. */
async function dataOf(server: Server, name: string, args: Args) {
  const { result } = await server.ask('tools/call', { name, arguments: args });
  assert.ok(result?.structuredContent?.data, JSON.stringify(result));
  return result.structuredContent.data;
}

function stateOf(task: {
  readonly status: string;
  readonly statusMessage?: string;
}): Seen['state'] {
  if (task.status === 'input_required') return 'asking';
  if (task.status !== 'working') return 'final';
  return task.statusMessage === undefined ? 'queued' : 'running';
}

export const SURFACES: Readonly<Record<string, Surface>> = {
  'the plain tools': {
    era: '2025-11-25',
    submit: async (server, name, args) => (await dataOf(server, name, args)).job_id,
    async look(server, id) {
      const job = await dataOf(server, 'get_job_status', { job_id: id });
      if (job.completed_at !== null) return { state: 'final', result: { data: job.result } };
      if (job.input_requests !== undefined) return { state: 'asking' };
      return { state: job.progress === undefined ? 'queued' : 'running' };
    },
    answer: async (server, id, answers) =>
      void (await dataOf(server, 'answer_job', { job_id: id, answers })),
  },
  'Tasks 2026-07-28': {
    era: '2026-07-28',
    async submit(server, name, args) {
      const { result } = await server.ask('tools/call', { name, arguments: args });
      assert.equal(result.resultType, 'task');
      return result.taskId;
    },
    async look(server, id) {
      const { result: task } = await server.ask('tasks/get', { taskId: id });
      return { state: stateOf(task), result: task.result?.structuredContent };
    },
    async answer(server, id, inputResponses) {
      const { error } = await server.ask('tasks/update', { taskId: id, inputResponses });
      assert.equal(error, undefined);
    },
  },
  'tasks 2025-11-25': {
    era: '2025-11-25',
    async submit(server, name, args) {
      const { result } = await server.ask('tools/call', { name, arguments: args, task: {} });
      return result.task.taskId;
    },
    async look(server, id) {
      const { result: task } = await server.ask('tasks/get', { taskId: id });
      if (task.status !== 'completed') return { state: stateOf(task) };
      const { result } = await server.ask('tasks/result', { taskId: id });
      return { state: 'final', result: result.structuredContent };
    },
    // Tasks of this generation have no method for it.
    answer: async (server, id, answers) =>
      void (await dataOf(server, 'answer_job', { job_id: id, answers })),
  },
};

/**
 * Look until the job is in this state.
 *
 * @returns its result, where it is final
 */
export async function untilIs(
  surface: Surface,
  server: Server,
  { id, state }: { readonly id: string; readonly state: Seen['state'] },
): Promise<unknown> {
  const reached = async (): Promise<Seen | false> => {
    const seen = await surface.look(server, id);
    return seen.state === state && seen;
  };
  return (await until(`${id} is ${state}`, reached, { ms: 20_000 })).result;
}
