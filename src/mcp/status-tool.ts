/** `get_job_status`: one look at a job, or a bounded wait for its end. */
import type { CallToolResult, ServerContext } from '@modelcontextprotocol/server';
import { z } from 'zod';
import type { Job } from '../job/job.ts';
import type { Who } from '../job/who.ts';
import type { QueueContext } from '../queue/context.ts';
import { get, unknownJob } from '../queue/get.ts';
import { WAIT_SECONDS_MAX } from '../queue/wait.ts';
import { advertise } from './advertise.ts';
import { hints, LOOKS, object, status, text } from './answer-schemas.ts';
import type { Caller, JobTools } from './job-tools.ts';
import { jobView } from './job-view.ts';
import { progressNotices } from './progress-notices.ts';
import { linkBlock } from './result-link.ts';
import type { ToolConfig } from './tool.ts';
import { toToolResult } from './tool-answer.ts';
import { whileAllowed } from './while-allowed.ts';

const objectOrNull = { type: ['object', 'null'] };

/** Those of the optional members that decide what to call next. */
const OPTIONAL = { result_uri: text, input_requests: { type: 'object' }, ...hints };

/** What is promised of the view; the times and counts of the job stand beside it. */
const DATA = object(
  {
    job_id: text,
    tool_name: text,
    status,
    result: objectOrNull,
    error: objectOrNull,
    ...OPTIONAL,
  },
  Object.keys(OPTIONAL),
);

export const STATUS: ToolConfig = {
  title: 'Job status',
  description: `Status of a job by its job_id, and its result once status is completed, or its error once status is failed. With wait_seconds: ${WAIT_SECONDS_MAX} it answers as soon as the job is final or asks for input, else after that time: call it again at once. A result of more than 64 KiB is null here and given by result_uri and result_url. Works from any session of the same owner; returns no new job_id.`,
  inputSchema: z.strictObject({
    job_id: z.string().min(1, 'must not be empty').describe('The job_id that a tool returned.'),
    wait_seconds: z
      .number()
      .min(0)
      .max(WAIT_SECONDS_MAX)
      .default(0)
      .describe(`To wait for the end of the job; ${WAIT_SECONDS_MAX} is best.`),
  }),
  outputSchema: advertise(object({ data: DATA })),
  annotations: LOOKS,
};

type Looking = Pick<JobTools, 'queue' | 'viewing' | 'caller'>;

interface Wanted {
  readonly job_id: string;
  readonly wait_seconds: number;
}

export function statusHandler({ queue, viewing, caller }: Looking) {
  return async (wanted: Wanted, context: ServerContext): Promise<CallToolResult> => {
    const asking = await caller(context);
    const { who } = asking;
    const onChange = progressNotices(context);
    const ms = wanted.wait_seconds * 1_000;
    const { job_id } = wanted;
    const waiting = {
      caller: asking,
      signal: context.mcpReq.signal,
      sees: async (now: Who) => (await queue.store.get(job_id, now)) !== null,
    };
    const seen =
      ms > 0
        ? await whileAllowed(waiting, (signal) =>
            queue.waits.until(job_id, { who, ms, signal, onChange }),
          )
        : await get(queue, job_id, who);
    const job = ms > 0 && seen.owner !== who.owner ? await seenNow(queue, seen, asking) : seen;
    const view = jobView(job, viewing, isInLine(job) ? await queue.store.position(job.id) : null);
    const answer = toToolResult({ data: view }) as CallToolResult;
    const { result_uri, result_bytes = 0 } = view;
    if (result_uri === undefined) return answer;
    const link = linkBlock(job.tool, { result_uri, result_bytes });
    return { ...answer, content: [...answer.content, link] };
  };
}

/** Somebody else's job, after a wait: the right to see the jobs of the team may be gone. */
async function seenNow(queue: QueueContext, { id }: Job, { who, again }: Caller): Promise<Job> {
  const now = again === undefined ? who : await again();
  return now === null ? unknownJob() : get(queue, id, now);
}

/** A job that has begun is shown as running, even while it waits for its next turn. */
function isInLine(job: Job): boolean {
  return job.status === 'queued' && job.startedAt === null;
}
