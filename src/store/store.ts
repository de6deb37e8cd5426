/**
 * The port: where jobs are kept. Every engine serves it, and one test suite holds for all.
 *
 * What is expected is a value (`null`, `false`); a `JobError` is thrown for broken surroundings:
 * STORE_BUSY (not begun), STORE_FULL, STORE_UNKNOWN (failed while committing).
 */
import type { Effect, Params, Statement } from '../job/effects.ts';
import type { IdempotencyKey, Job, NewJob, Progress } from '../job/job.ts';
import type { Json } from '../job/json.ts';
import type { Status } from '../job/states.ts';
import type { Change } from '../job/transitions.ts';
import type { Who } from '../job/who.ts';

/** The four statuses that a caller sees, as a filter of lists. */
export type ShownStatus = 'queued' | 'running' | 'completed' | 'failed';

export interface ListQuery {
  readonly who: Who;
  readonly status: ShownStatus | null;
  readonly tool: string | null;
  /** Jobs before this one in the order of the list: newest first by (createdAt, id). */
  readonly before: { readonly createdAt: number; readonly id: string } | null;
  /** 1..101. */
  readonly limit: number;
}

/** A process that runs jobs, as others can tell whether it still lives. */
export interface WorkerIdentity {
  /** Fresh for each worker. */
  readonly id: string;
  /** The process, by boot, pid namespace, pid and start time. */
  readonly process: string;
  /** The process that supervises it, in the same form; its own, when it supervises itself. */
  readonly supervisor: string;
  /** Names of the tools that it has handlers for. */
  readonly tools: readonly string[];
}

/** How many jobs of a tool may run at once; 0 is no limit. */
export interface ToolLimits {
  /** Of all teams together. */
  readonly max: number;
  /** Of each team. */
  readonly perTeam: number;
}

/** How many jobs may run at once, counting those of every worker of the database. */
export interface RunningLimits {
  /** Of each team, whatever the tool; 0 is no limit. */
  readonly perTeam: number;
  /** By the name of the tool; tools without a limit are left out. */
  readonly tools: ReadonlyMap<string, ToolLimits>;
}

export interface ClaimRequest {
  readonly worker: string;
  readonly tools: readonly string[];
  /** 1..1,000. */
  readonly limit: number;
  readonly leaseMs: number;
  /** Whether the worker runs nothing at the moment, and so may take a job that must run alone. */
  readonly idle: boolean;
  /** What this claim may not exceed; left out or null when there is no limit. */
  readonly limits?: RunningLimits | null;
}

export interface Claimed {
  /** In order; each is `running` under a fresh lease. */
  readonly jobs: readonly Job[];
  /** Milliseconds until another claim may find more: a resting job is due. Null when nothing rests. */
  readonly nextDueMs: number | null;
}

export interface Held {
  readonly id: string;
  readonly lease: string;
}

export type Applied =
  | { readonly outcome: 'applied'; readonly status: Status }
  /** The job has moved on; nothing was written. */
  | { readonly outcome: 'stale' }
  /** An `expect` was not met; nothing was written. */
  | { readonly outcome: 'refused'; readonly statement: string; readonly changed: number }
  /** A statement failed, by a constraint say; nothing was written. */
  | { readonly outcome: 'failed'; readonly statement: string; readonly message: string };

export interface WriteResult {
  /** Whether every expectation was met; if not, nothing was written. */
  readonly ok: boolean;
  /** Rows changed, per effect. */
  readonly changed: readonly number[];
}

export interface SweepResult {
  /** Ids of jobs that were taken back or ended. */
  readonly moved: readonly string[];
  readonly purged: number;
}

/** A change of a job that was committed through this store. */
export interface ChangeNotice {
  readonly id: string;
  readonly status: Status;
}

/** What an idempotency key stands for. */
export interface Replay {
  readonly jobId: string;
  readonly hash: string;
  readonly answer: string;
}

/** A payload that may be kept apart from its row. */
export type PayloadKind = 'input' | 'result';

/** The part of the port that a worker needs; a supervised worker reaches it through its parent. */
export interface WorkStore {
  /** Make the worker known, or say that it still lives. */
  beat(worker: WorkerIdentity): Promise<void>;
  /** Take due jobs: known tools take turns, and teams within a tool. Each becomes `running` under a fresh lease. */
  claim(request: ClaimRequest): Promise<Claimed>;
  /** One guarded write, with its effects in the same transaction. */
  apply(id: string, change: Change): Promise<Applied>;
  /** Prolong leases; returns the ids whose lease is no longer held. */
  renew(held: readonly Held[], leaseMs: number): Promise<readonly string[]>;
  /** Keep the latest progress of a run; false when its lease is no longer held. */
  progress(held: Held, progress: Progress): Promise<boolean>;
  /** Call back when there may be something to claim; returns how to stop it. */
  onDue(listener: () => void): () => void;
}

export interface Store extends WorkStore {
  readonly engine: 'sqlite' | 'postgres';
  /**
   * Keep a new job; it is durable when the promise resolves.
   *
   * @param outstandingMax most open jobs of the team; 0 is no limit
   * @throws JobError RATE_LIMITED when the team has that many
   */
  insert(job: NewJob, outstandingMax: number): Promise<Job>;
  /**
   * Keep a new job under a key, or find what the key stands for already. The key decides races; one
   * that has expired is taken over in the same statement.
   *
   * @returns null when the job is new, else what was kept before; nothing is written then
   */
  insertOnce(job: NewJob, outstandingMax: number, key: IdempotencyKey): Promise<Replay | null>;
  /** What a key stands for, if it has not expired. */
  replay(who: Who, tool: string, key: string): Promise<Replay | null>;
  /** The job, if it is visible to the caller; null for unknown and foreign alike. Writes nothing. */
  get(id: string, who: Who): Promise<Job | null>;
  /** The whole input or result as JSON text, wherever it is kept; null when there is none to see. */
  payload(id: string, who: Who, kind: PayloadKind): Promise<string | null>;
  /** Place in the queue of a job that the caller has got, from 1; exact to 100, null beyond, when not queued, and while a limit holds it. */
  position(id: string): Promise<number | null>;
  /** Visible jobs, newest first. */
  list(query: ListQuery): Promise<Job[]>;
  /** Cancel on behalf of a caller: guarded by team, owner and status, never `view-any`. */
  applyAs(id: string, who: Who, change: Change): Promise<Applied>;
  /**
   * Answer questions of a waiting job, with the same guard. Unknown and answered keys are ignored;
   * when the last question has its answer the job is queued.
   */
  answer(id: string, who: Who, answers: Readonly<Record<string, Json>>): Promise<Applied>;
  /** Run a read statement. Sees every commit that was acknowledged before. */
  read<P extends Params, R>(statement: Statement<P, R>, params: P): Promise<R[]>;
  /** Apply effects in one transaction, all or none. */
  write(effects: readonly Effect[], options?: { readonly expect?: number }): Promise<WriteResult>;
  /**
   * The time by which something is old enough to be forgotten for good, in milliseconds since 1970: on
   * PostgreSQL the clock of the database, on SQLite one that does not believe a wall clock for a day
   * after it has jumped ahead.
   */
  now(): Promise<number>;
  /** Take back what dead workers held, end what waits in vain, purge what is past retention. */
  sweep(options: SweepOptions): Promise<SweepResult>;
  /** Running jobs of one worker. For the supervisor of a process that has ended. */
  heldBy(worker: string): Promise<Job[]>;
  /**
   * Call back on each committed change of a job, and with null when another process has committed
   * something: then any job may have changed. Returns how to stop it.
   */
  onChange(listener: (notice: ChangeNotice | null) => void): () => void;
  /** Whether the store takes writes now, and how many workers have beaten within 30 s. */
  health(): Promise<{ readonly writable: boolean; readonly workers: number }>;
  close(): Promise<void>;
}

export interface SweepOptions {
  /** Final jobs are purged this long after completion, in milliseconds. */
  readonly retentionMs: number;
  /** How long a tool may be known to no living worker before its jobs end, in milliseconds. */
  readonly toolMissingMs: number;
  /** Take back every running job, whoever holds it: for a database that was restored. Default false. */
  readonly isRestored?: boolean;
}
