import type { Failure } from './errors.ts';
import type { Json } from './json.ts';
import type { Status } from './states.ts';

/** How far a run says it is. `total` is null while unknown. */
export interface Progress {
  readonly done: number;
  readonly total: number | null;
  readonly message: string | null;
  /** The run that said it, as `Job.runs` counts, and when that run began, in wall time. */
  readonly run?: number;
  readonly since?: number;
}

/** One durable call, as it is kept. Instants are wall time in milliseconds. */
export interface Job {
  readonly id: string;
  readonly tool: string;
  readonly team: string;
  readonly owner: string;
  /** What narrows its visibility within the owner, such as a project; null is no narrowing. */
  readonly scope: string | null;
  readonly status: Status;
  /** The arguments, as JSON text, parsed again at every run; null while kept apart (see `Store.payload`). */
  readonly input: string | null;
  /** What `prepare` stored for the run, as JSON text. */
  readonly carry: string | null;
  /** Names the request that submitted it, for the log. */
  readonly requestId: string;
  /** JSON text; null while there is none, and when it is kept apart. */
  readonly result: string | null;
  /** Bytes of the result; null while there is none. */
  readonly resultBytes: number | null;
  readonly error: Failure | null;
  readonly progress: Progress | null;
  /** Questions that wait for an answer, and the answers so far, by key. */
  readonly questions: Readonly<Record<string, Json>> | null;
  readonly answers: Readonly<Record<string, Json>> | null;
  /** Claims so far; at most `RUNS_MAX`. */
  readonly runs: number;
  /** Faults so far; at most `attemptsMax`. */
  readonly attempts: number;
  readonly attemptsMax: number;
  readonly timeoutMs: number;
  /** Whether it must run with nothing else in its process, after an unexplained death. */
  readonly alone: boolean;
  /** The right to write of the current run; null when there is none. */
  readonly lease: string | null;
  /** Id of the worker that holds the lease. */
  readonly worker: string | null;
  readonly createdAt: number;
  readonly startedAt: number | null;
  readonly updatedAt: number;
  readonly completedAt: number | null;
}

/** What is needed to insert a job; everything else follows. */
export interface NewJob {
  readonly id: string;
  readonly tool: string;
  readonly team: string;
  readonly owner: string;
  readonly scope: string | null;
  readonly input: string;
  readonly carry: string | null;
  readonly requestId: string;
  readonly attemptsMax: number;
  readonly timeoutMs: number;
  readonly createdAt: number;
}

/** Makes a submission happen once: the same key with the same arguments is the same job. */
export interface IdempotencyKey {
  readonly key: string;
  /** Names the arguments: a digest of their canonical JSON. */
  readonly hash: string;
  /** What was answered, as JSON text; a replay answers it again. */
  readonly answer: string;
  /** How long the key is remembered, in milliseconds. */
  readonly ttlMs: number;
}

/**
 * How long a worker that says nothing keeps its jobs, in milliseconds, unless it is told otherwise.
 * With a sweep each second, the jobs of a machine that falls silent are run elsewhere within 17 s.
 */
export const LEASE_MS = 15_000;

/** A job ends in `RUNS_EXHAUSTED` instead of being claimed once more. */
export const RUNS_MAX = 50;
