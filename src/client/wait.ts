/**
 * The patience of the other side: asks until a job is final, letting the server hold the question
 * where it can and by the cadence where not, through rate limits and through a server that is away
 * for a while.
 */
import { setTimeout as rest } from 'node:timers/promises';
import { pollDelayMs } from '../job/cadence.ts';
import { monotonic, now } from '../job/clock.ts';
import { JobError } from '../job/errors.ts';
import { retryDelayMs } from '../job/retry.ts';
import { isFinalState, progressOf, type JobProgress, type JobState } from './answers.ts';
import { troubleOf, type Trouble } from './trouble.ts';

export interface WaitOptions {
  /** Stops waiting at once; the promise rejects with its reason. */
  readonly signal?: AbortSignal;
  /** Whether `signal` also cancels the job; else it goes on. Default false. */
  readonly cancelOnAbort?: boolean;
  /** Longest wait for the job, in milliseconds. Default none; from 0. */
  readonly timeoutMs?: number;
  /** How long the server may be away, or refuse, in one go, in milliseconds. Default 120,000. */
  readonly awayMs?: number;
  /** Longest wait for one answer of the server, in milliseconds. Default 35,000. */
  readonly requestTimeoutMs?: number;
  /** Longest that a server which can is asked to hold a question, in seconds; 0 is the cadence alone. Default 25; 0..25. */
  readonly holdSeconds?: number;
  /** Told every state that the server tells, from the submission on. */
  readonly onStatus?: (state: JobState) => void;
  /** Told how far the job is, whenever that changes. */
  readonly onProgress?: (progress: JobProgress) => void;
  /** Fetches a result that is given by link. Default the global `fetch`. */
  readonly fetch?: typeof fetch;
  /** Bearer token for a result that is given by link; sent to the address that the server names. */
  readonly token?: string;
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
const HOLD_SECONDS = 25;
/** Who wants to be told of changes sees the first one soon. */
const FIRST_HOLD_MS = 1_000;
/** An answer that was held needs this long to arrive. */
const HOLD_MARGIN_MS = 5_000;
/** Even with no time left a call that is made has a chance of being answered. */
const LOOK_MS_MIN = 1_000;
const AWAY_BACKOFF = { baseMs: 500, maxMs: 5_000 };
/** No hint of a server makes a client ask more often, or forget to ask. */
const HINT_RANGE_MS = { min: 100, max: 60_000 };

/** What one call of the server may take, as the SDK reads it. */
export interface Limits {
  readonly timeout: number;
  readonly signal?: AbortSignal;
}

export type Kind = 'read' | 'submission' | 'repeatable';

export type Attempt<T> = (limits: Limits) => Promise<T>;

/** How one job is asked after. */
export interface Look {
  /** Longest that the server holds the question, in milliseconds; 0 when it answers at once. */
  readonly holdMs: number;
  readonly ask: (limits: Limits, holdMs: number) => Promise<JobState>;
}

export class Patience {
  readonly #options: WaitOptions;
  readonly #pace: Pace;
  readonly #startedAt: number;
  #told = '';

  constructor(options: WaitOptions, pace: Pace) {
    this.#options = options;
    this.#pace = pace;
    this.#startedAt = pace.monotonic();
  }

  /**
   * Make a call, again and again while the trouble passes.
   *
   * @param kind a `read` and a `repeatable` submission are sent again after any passing trouble,
   *   a `submission` only when the server cannot have done it
   * @throws JobError what the server said last, or SERVER_UNREACHABLE, SUBMISSION_UNKNOWN, WAIT_TIMEOUT
   */
  async call<T>(kind: Kind, jobId: string | null, attempt: Attempt<T>): Promise<T> {
    const { awayMs = AWAY_MS, requestTimeoutMs = REQUEST_TIMEOUT_MS } = this.#options;
    const signal = kind === 'read' ? this.#options.signal : this.#submissionSignal();
    let awaySince: number | null = null;
    for (let failures = 1; ; failures += 1) {
      this.#options.signal?.throwIfAborted();
      const timeout = Math.max(LOOK_MS_MIN, Math.min(requestTimeoutMs, this.#remainingMs()));
      try {
        return await attempt({ timeout, ...(signal && { signal }) });
      } catch (thrown) {
        this.#options.signal?.throwIfAborted();
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
  async untilFinal(jobId: string, known: JobState | null, look: Look): Promise<JobState> {
    let state = known;
    let enqueuedAt = state === null ? null : this.#pace.monotonic();
    let wasHeld = this.#holdMs(look, 0) > 0;
    let holds = 0;
    for (;;) {
      if (state !== null) {
        this.#tell(state);
        if (isFinalState(state)) return state;
        enqueuedAt ??= this.#pace.monotonic() - ageMs(state, this.#pace.now());
        if (this.#remainingMs() <= 0) throw waitedTooLong(jobId);
        const pauseMs = hintOf(state) ?? pollDelayMs(this.#pace.monotonic() - enqueuedAt);
        if (!wasHeld) await this.#rest(Math.min(pauseMs, this.#remainingMs()));
      }
      // A job that nobody here has seen yet is looked at, not waited for.
      const isFirstLook = state === null;
      const holdMs = isFirstLook ? 0 : this.#holdMs(look, holds++);
      const askedAt = this.#pace.monotonic();
      state = await this.call('read', jobId, (limits) =>
        look.ask(longEnough(limits, holdMs), holdMs),
      );
      // A server that answers at once all the same is asked by the cadence.
      wasHeld = isFirstLook
        ? wasHeld
        : holdMs > 0 && this.#pace.monotonic() - askedAt >= holdMs / 2;
    }
  }

  /** Tell of progress, once for each change. */
  tellProgress(progress: JobProgress | null): void {
    const text = JSON.stringify(progress);
    if (progress === null || text === this.#told) return;
    this.#told = text;
    this.#options.onProgress?.(progress);
  }

  #tell(state: JobState): void {
    // How far a job came is told before that it is over.
    this.tellProgress(progressOf(state));
    this.#options.onStatus?.(state);
  }

  /** How long the server is asked to hold the next question, in whole seconds. */
  #holdMs({ holdMs }: Look, holds: number): number {
    const { holdSeconds = HOLD_SECONDS, requestTimeoutMs = REQUEST_TIMEOUT_MS } = this.#options;
    const isWatched =
      this.#options.onStatus !== undefined || this.#options.onProgress !== undefined;
    const ms = Math.min(
      holdMs,
      holdSeconds * 1_000,
      requestTimeoutMs - HOLD_MARGIN_MS,
      this.#remainingMs(),
      isWatched && holds === 0 ? FIRST_HOLD_MS : Infinity,
    );
    return Math.max(0, Math.floor(ms / 1_000) * 1_000);
  }

  /** Who cancels on abort needs the id first, so the submission is not cut off. */
  #submissionSignal(): AbortSignal | undefined {
    return this.#options.cancelOnAbort === true ? undefined : this.#options.signal;
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

function longEnough(limits: Limits, holdMs: number): Limits {
  return holdMs === 0
    ? limits
    : { ...limits, timeout: Math.max(limits.timeout, holdMs + HOLD_MARGIN_MS) };
}

function mayRepeat(kind: Kind, trouble: Trouble): boolean {
  return trouble.retry === 'again' || (trouble.retry === 'unknown' && kind !== 'submission');
}

/** A submission without an answer may have made a job: saying so is all that can be done. */
function finalError(kind: Kind, { error, retry }: Trouble): JobError {
  if (kind !== 'submission' || retry !== 'unknown' || error.code !== 'SERVER_UNREACHABLE')
    return error;
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
