/** What the wire shows of a job. Once it is final, the same bytes every time. */
import { pollDelayMs } from '../job/cadence.ts';
import { now, toWireTime } from '../job/clock.ts';
import type { AnyDefinition } from '../job/definition.ts';
import { toErrorBody, type ErrorBody } from '../job/errors.ts';
import type { Job, Progress } from '../job/job.ts';
import type { Json } from '../job/json.ts';
import { isFinal } from '../job/states.ts';
import type { ShownStatus } from '../queue/context.ts';
import type { Submitted } from '../queue/submit.ts';
import { shownStatus } from './status.ts';

/** When and how to ask again. Absent once the job is final. */
interface Hints {
  readonly poll_after_ms: number;
  readonly next_step: string;
}

interface JobSummary {
  readonly job_id: string;
  readonly tool_name: string;
  readonly status: ShownStatus;
  readonly enqueued_at: string;
  readonly started_at: string | null;
  readonly completed_at: string | null;
}

interface JobView extends JobSummary, Partial<Hints> {
  readonly result: Json;
  readonly error: ErrorBody | null;
  readonly runs: number;
  readonly attempts: number;
  readonly progress?: Progress;
}

/** What the view of a job depends on besides the job. */
export interface Viewing {
  readonly definitions: ReadonlyMap<string, AnyDefinition>;
  readonly publicUrl: string;
  readonly docsUrl: string;
}

/** `data` of a submission. What `prepare` adds may not replace what is ours. */
export function submissionView({ job, answer }: Submitted) {
  const own = {
    job_id: job.id,
    status: 'queued',
    enqueued_at: toWireTime(job.createdAt),
    ...hints(job.createdAt, job.createdAt),
  };
  return { ...own, ...answer, ...own };
}

/** `data` of a poll. */
export function jobView(job: Job, viewing: Viewing): JobView {
  const { job_id, tool_name, status, ...times } = jobSummary(job);
  return {
    job_id,
    tool_name,
    status,
    result: resultOf(job, viewing),
    error: job.error === null ? null : toErrorBody(job.error, viewing.docsUrl),
    ...times,
    runs: job.runs,
    attempts: job.attempts,
    ...(job.progress && { progress: job.progress }),
    ...(!isFinal(job.status) && hints(job.createdAt, now())),
  };
}

/** One row of a list. */
export function jobSummary(job: Job): JobSummary {
  return {
    job_id: job.id,
    tool_name: job.tool,
    status: shownStatus(job),
    enqueued_at: toWireTime(job.createdAt),
    started_at: job.startedAt === null ? null : toWireTime(job.startedAt),
    completed_at: job.completedAt === null ? null : toWireTime(job.completedAt),
  };
}

function resultOf(job: Job, { definitions, publicUrl }: Viewing): Json {
  if (job.status !== 'completed' || job.result === null) return null;
  const result = JSON.parse(job.result) as Json;
  const view = definitions.get(job.tool)?.view;
  if (!view || typeof result !== 'object' || result === null) return result;
  return { ...(result as object), ...view(result, { publicUrl }) };
}

function hints(createdAt: number, at: number): Hints {
  const delay = pollDelayMs(at - createdAt);
  return {
    poll_after_ms: delay,
    next_step: `Call get_job_status with this job_id in ${delay / 1000} s, and again until status is completed or failed.`,
  };
}
