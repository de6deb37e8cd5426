/**
 * The moves of a job as pure functions. Each returns a guarded change; the store applies it with
 * one compare-and-set. Zero rows changed means that the job has moved on.
 */
import type { Effect } from './effects.ts';
import { JobError, toFailure, type Failure } from './errors.ts';
import { RUNS_MAX, type Job } from './job.ts';
import type { Json } from './json.ts';
import { retryDelayMs, type Backoff } from './retry.ts';
import type { Status } from './states.ts';

/** One guarded write: it happens only if the row is still in one of `from`, held under `lease`. */
export interface Change {
  readonly from: readonly Status[];
  readonly to: Status;
  /** The lease that the row must carry; null where the guard is the team and the owner. */
  readonly lease: string | null;
  /** Whether a fault is counted. */
  readonly fault?: boolean;
  /** How long a job that is queued again rests. Default 0. */
  readonly delayMs?: number;
  readonly alone?: boolean;
  /** JSON text. */
  readonly result?: string;
  readonly error?: Failure;
  readonly questions?: Readonly<Record<string, Json>>;
  readonly answers?: Readonly<Record<string, Json>>;
  /** How long a waiting job is waited for. */
  readonly waitMs?: number;
  readonly effects?: readonly Effect[];
}

type Held = Pick<Job, 'lease' | 'runs' | 'attempts' | 'attemptsMax' | 'requestId'>;

export function complete(job: Held, result: string, effects: readonly Effect[]): Change {
  return { from: ['running'], to: 'completed', lease: job.lease, result, effects };
}

/** The handler said that the job has failed: final, no retry. */
export function fail(job: Held, error: JobError, fault = false): Change {
  const failure = toFailure(error, job.requestId, fault);
  return { from: ['running'], to: 'failed', lease: job.lease, error: failure };
}

/**
 * A run ended in a fault. Retry or give up is decided here and nowhere else.
 *
 * @param code why it ends, should this have been the last attempt
 */
export function faulted(
  job: Held,
  code: 'ATTEMPTS_EXHAUSTED' | 'DEADLINE_EXCEEDED',
  backoff?: Backoff,
): Change {
  const attempts = job.attempts + 1;
  if (attempts >= job.attemptsMax) {
    return { ...fail(job, new JobError(code, { context: { attempts } }), true), fault: true };
  }
  return { ...handBack(job), fault: true, delayMs: retryDelayMs(attempts, backoff) };
}

/** Put a running job back without counting a fault. Too many runs end it all the same. */
export function handBack(job: Held, options: { readonly alone?: boolean } = {}): Change {
  if (job.runs >= RUNS_MAX) {
    return fail(job, new JobError('RUNS_EXHAUSTED', { context: { runs: job.runs } }), true);
  }
  const alone = options.alone === undefined ? {} : { alone: options.alone };
  return { from: ['running'], to: 'queued', lease: job.lease, ...alone };
}

/** The run asks for input; the worker is free until the answer comes. */
export function ask(job: Held, questions: Readonly<Record<string, Json>>, waitMs: number): Change {
  return { from: ['running'], to: 'waiting', lease: job.lease, questions, waitMs };
}

/** Every question has its answer: the job is due again. */
export function answer(answers: Readonly<Record<string, Json>>): Change {
  return { from: ['waiting'], to: 'queued', lease: null, answers };
}

/** The caller wants it no more. At once, in every state that is not final. */
export function cancel(requestId: string): Change {
  return {
    from: ['queued', 'running', 'waiting'],
    to: 'cancelled',
    lease: null,
    error: toFailure(new JobError('JOB_CANCELLED'), requestId),
  };
}

/** Nobody answered, or no worker knows the tool: the sweep ends the job. */
export function expire(
  from: 'waiting' | 'queued',
  code: 'INPUT_TIMEOUT' | 'TOOL_UNAVAILABLE' | 'RUNS_EXHAUSTED',
  requestId: string,
): Change {
  return {
    from: [from],
    to: 'failed',
    lease: null,
    error: toFailure(new JobError(code), requestId, true),
  };
}
