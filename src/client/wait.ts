/**
 * The patience of the other side: asks by the cadence until a job is final, through rate limits
 * and through a server that is away for a while.
 */
import { setTimeout as rest } from 'node:timers/promises';
import { pollDelayMs } from '../job/cadence.ts';
import { monotonic, now } from '../job/clock.ts';
import { JobError } from '../job/errors.ts';
import { retryDelayMs } from '../job/retry.ts';
import { isFinalState, type JobState } from './answers.ts';
import { troubleOf, type Trouble } from './trouble.ts';

export interface WaitOptions {
  /** Stops waiting at once; the promise rejects with its reason. The job itself goes on. */
  readonly signal?: AbortSignal;
  /** Longest wait for the job, in milliseconds. Default none; from 0. */
  readonly timeoutMs?: number;
  /** How long the server may be away, or refuse, in one go, in milliseconds. Default 120,000. */
  readonly awayMs?: number;
  /** Longest wait for one answer of the server, in milliseconds. Default 35,000. */
  readonly requestTimeoutMs?: number;
  /** Told every state that the server tells, from the submission on. */
  readonly onStatus?: (state: JobState) => void;
}

/** Time as the waiting meets it; tests bring their own. */
export interface Pace {
  /** Milliseconds from an arbitrary start, never going back. */
  readonly monotonic: () => number;
  /** Wall time, in milliseconds. */
  readonly now: () => number;
  readonly rest: (ms: number, signal?: AbortSignal) => Promise<unknown>;
}

// The timer keeps the process alive on purpose: whoever awaits a job wants to live to see it.
export const REAL_PACE: Pace = {
  monotonic,
  now,
  rest: (ms, signal) => rest(ms, undefined, signal ? { signal } : {}),
};

const AWAY_MS = 120_000;
const REQUEST_TIMEOUT_MS = 35_000;
/** Even with no time left a call that is made has a chance of being answered. */
const LOOK_MS_MIN = 1_000;
const AWAY_BACKOFF = { baseMs: 500, maxMs: 5_000 };
/** No hint of a server makes a client ask more often, or forget to ask. */
const HINT_RANGE_MS = { min: 100, max: 60_000 };

/** How one call of the server is made: the time that it may take, and the signal that ends it. */
export type Attempt<T> = (limits: { timeout: number; signal?: AbortSignal }) => Promise<T>;

export class Patience {
  readonly #options: WaitOptions;
  readonly #pace: Pace;
  readonly #startedAt: number;

  constructor(options: WaitOptions, pace: Pace) {
    this.#options = options;
    this.#pace = pace;
    this.#startedAt = pace.monotonic();
  }

  /**
   * Make a call, again and again while the trouble passes.
   *
   * @param kind a `read` is repeated after any passing trouble, a `submission` only when the
   *   server cannot have done it
   * @throws JobError what the server said last, or SERVER_UNREACHABLE, SUBMISSION_UNKNOWN, WAIT_TIMEOUT
   */
  async call<T>(
    kind: 'read' | 'submission',
    jobId: string | null,
    attempt: Attempt<T>,
  ): Promise<T> {
    const { signal, awayMs = AWAY_MS, requestTimeoutMs = REQUEST_TIMEOUT_MS } = this.#options;
    let awaySince: number | null = null;
    for (let failures = 1; ; failures += 1) {
      signal?.throwIfAborted();
      const timeout = Math.max(LOOK_MS_MIN, Math.min(requestTimeoutMs, this.#remainingMs()));
      try {
        return await attempt({ timeout, ...(signal && { signal }) });
      } catch (thrown) {
        signal?.throwIfAborted();
        const trouble = troubleOf(thrown);
        if (!mayRepeat(kind, trouble)) throw finalError(kind, trouble);
        awaySince ??= this.#pace.monotonic();
        const pauseMs = trouble.afterMs ?? retryDelayMs(failures, AWAY_BACKOFF);
        const awayForMs = this.#pace.monotonic() - awaySince + pauseMs;
        if (pauseMs >= this.#remainingMs()) throw waitedTooLong(jobId, trouble.error);
        if (awayForMs > awayMs) throw withJob(trouble.error, jobId);
        await this.#rest(pauseMs);
      }
    }
  }

  /**
   * Ask until the job is final.
   *
   * @param known the state as it was submitted; null to ask at once
   * @throws JobError WAIT_TIMEOUT with the `job_id` in its context, when `timeoutMs` is over
   */
  async untilFinal(
    jobId: string,
    known: JobState | null,
    look: (...limits: Parameters<Attempt<JobState>>) => Promise<JobState>,
  ): Promise<JobState> {
    let state = known;
    let enqueuedAt = state === null ? null : this.#pace.monotonic();
    for (;;) {
      if (state !== null) {
        this.#options.onStatus?.(state);
        if (isFinalState(state)) return state;
        enqueuedAt ??= this.#pace.monotonic() - ageMs(state, this.#pace.now());
        if (this.#remainingMs() <= 0) throw waitedTooLong(jobId);
        const pauseMs = hintOf(state) ?? pollDelayMs(this.#pace.monotonic() - enqueuedAt);
        await this.#rest(Math.min(pauseMs, this.#remainingMs()));
      }
      state = await this.call('read', jobId, look);
    }
  }

  #remainingMs(): number {
    const { timeoutMs = Infinity } = this.#options;
    return this.#startedAt + timeoutMs - this.#pace.monotonic();
  }

  async #rest(ms: number): Promise<void> {
    const { signal } = this.#options;
    try {
      await this.#pace.rest(ms, signal);
    } catch (thrown) {
      signal?.throwIfAborted();
      throw thrown;
    }
  }
}

function mayRepeat(kind: 'read' | 'submission', trouble: Trouble): boolean {
  return trouble.retry === 'again' || (trouble.retry === 'unknown' && kind === 'read');
}

/** A submission without an answer may have made a job: saying so is all that can be done. */
function finalError(kind: 'read' | 'submission', { error, retry }: Trouble): JobError {
  if (kind === 'read' || retry !== 'unknown' || error.code !== 'SERVER_UNREACHABLE') return error;
  return new JobError('SUBMISSION_UNKNOWN', {
    message: `The call was sent but no answer came, so a job may or may not exist. ${error.message}`,
    remediation: 'Look for the job with list_jobs; submit again only if it is not there.',
    context: { retryable: false },
    cause: error.cause,
  });
}

function waitedTooLong(jobId: string | null, cause?: JobError): JobError {
  const what = jobId === null ? 'The call was not answered' : `Job ${jobId} is not final`;
  return new JobError('WAIT_TIMEOUT', {
    message: `${what} within the time that the caller gave it.${cause ? ` ${cause.message}` : ''}`,
    remediation: 'The job goes on; resume with its id, or wait longer.',
    context: { retryable: true, ...(jobId !== null && { job_id: jobId }) },
    cause,
  });
}

function withJob(error: JobError, jobId: string | null): JobError {
  if (jobId === null) return error;
  const { code, message, remediation, cause } = error;
  const context = { ...error.context, job_id: jobId };
  return new JobError(code, { message, remediation, context, cause });
}

function hintOf(state: JobState): number | null {
  const hint = state.poll_after_ms;
  if (typeof hint !== 'number' || !Number.isFinite(hint)) return null;
  return Math.min(HINT_RANGE_MS.max, Math.max(HINT_RANGE_MS.min, hint));
}

/** How old a job is that was submitted elsewhere, by the server's wall clock and ours. */
function ageMs(state: JobState, nowMs: number): number {
  const at = typeof state.enqueued_at === 'string' ? Date.parse(state.enqueued_at) : NaN;
  return Number.isNaN(at) ? 0 : Math.max(0, nowMs - at);
}
