/** What the wire shows of a job. Once it is final, the same bytes every time. */
import { pollDelayMs } from '../job/cadence.ts';
import { now, toWireTime } from '../job/clock.ts';
import type { AnyDefinition } from '../job/definition.ts';
import { damaged, toErrorBody, type ErrorBody } from '../job/errors.ts';
import type { Job } from '../job/job.ts';
import type { Json } from '../job/json.ts';
import { isFinal } from '../job/states.ts';
import type { ShownStatus } from '../queue/context.ts';
import { openQuestions, type Questions } from '../queue/questions.ts';
import type { Submitted } from '../queue/submit.ts';
import { WAIT_SECONDS_MAX } from '../queue/wait.ts';
import { progressFacts, type ProgressFacts } from './progress-view.ts';
import { isLinked, resultLink, type ResultLink } from './result-link.ts';
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

interface JobView extends JobSummary, Partial<Hints>, Partial<ResultLink>, ProgressFacts {
  /** Null also where `result_uri` says where to read it. */
  readonly result: Json;
  readonly error: ErrorBody | null;
  readonly runs: number;
  readonly attempts: number;
  /** Place in the queue, from 1; absent beyond 100. */
  readonly queue_position?: number;
  /** What the job waits for, by the key under which `answer_job` takes it. */
  readonly input_requests?: Questions;
}

/** What the view of a job depends on besides the job. */
export interface Viewing {
  readonly definitions: ReadonlyMap<string, AnyDefinition>;
  readonly publicUrl: string;
  readonly docsUrl: string;
  /** Whether `<publicUrl>/jobs/<job_id>/result` is answered. */
  readonly servesResults: boolean;
  /** How long a final job is kept, in milliseconds. */
  readonly retentionMs: number;
}

const ANSWER =
  'The job waits for the answers to input_requests: ask whoever can give them and call answer_job, then get_job_status again.';

/** `data` of a submission. What `prepare` adds may not replace what is ours. */
export function submissionView({ job, answer, isReplay }: Submitted) {
  const own = {
    job_id: job.id,
    status: 'queued',
    enqueued_at: toWireTime(job.createdAt),
    ...hints(job.createdAt, job.createdAt),
  };
  return { ...own, ...answer, ...own, ...(isReplay && { replayed: true }) };
}

/**
 * `data` of a poll.
 *
 * @param position of a queued job, where it is known
 */
export function jobView(job: Job, viewing: Viewing, position: number | null = null): JobView {
  const { job_id, tool_name, status, ...times } = jobSummary(job);
  const result = resultOf(job, viewing);
  return {
    job_id,
    tool_name,
    status,
    ...(isLinked(job, result) ? { result: null, ...resultLink(job, result, viewing) } : { result }),
    error: job.error === null ? null : toErrorBody(job.error, viewing.docsUrl),
    ...times,
    runs: job.runs,
    attempts: job.attempts,
    ...(position !== null && { queue_position: position }),
    ...progressFacts(job, now()),
    ...(job.status === 'waiting' && { input_requests: openQuestions(job) }),
    ...(!isFinal(job.status) && hints(job.createdAt, now())),
    ...(job.status === 'waiting' && { next_step: ANSWER }),
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

/** What a completed job gave, with what its definition adds when it is read; null in other statuses. */
export function resultOf(job: Job, { definitions, publicUrl }: Viewing): Json {
  if (job.status !== 'completed' || job.result === null) return null;
  const result = parsed(job.id, job.result);
  const view = definitions.get(job.tool)?.view;
  if (!view || typeof result !== 'object' || result === null) return result;
  return { ...(result as object), ...view(result, { publicUrl }) };
}

/** @throws JobError where a disk has changed the text */
function parsed(id: string, result: string): Json {
  try {
    return JSON.parse(result) as Json;
  } catch (cause) {
    throw damaged(`The result of ${id}`, cause);
  }
}

function hints(createdAt: number, at: number): Hints {
  const delay = pollDelayMs(at - createdAt);
  return {
    poll_after_ms: delay,
    next_step: `Call get_job_status with this job_id and wait_seconds: ${WAIT_SECONDS_MAX}; repeat at once until status is completed or failed.`,
  };
}
