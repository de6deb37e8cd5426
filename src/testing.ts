/**
 * The door for tests of a server: a store that vanishes, and one run of one definition without a
 * server, a worker or a wait.
 */
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { now } from './job/clock.ts';
import type { JobDefinition } from './job/definition.ts';
import type { Effect } from './job/effects.ts';
import type { Failure } from './job/errors.ts';
import { newId, newLease } from './job/ids.ts';
import type { Job, Progress } from './job/job.ts';
import type { Json } from './job/json.ts';
import { SILENT, type Logger } from './job/log.ts';
import type { InferInput, InferOutput, Schema } from './job/schema.ts';
import { openStore, type OpenStoreOptions } from './sqlite.ts';
import type { Store } from './store/store.ts';
import { runJob } from './worker/run-job.ts';

/** A store that removes itself: `await using store = await openTemporaryStore()`. */
export type TemporaryStore = Store & AsyncDisposable;

/**
 * Open a real store on a fresh file in the system's temporary folder. Closing it removes the file.
 */
export async function openTemporaryStore(options: OpenStoreOptions = {}): Promise<TemporaryStore> {
  const folder = await mkdtemp(join(tmpdir(), 'mcp-async-jobs-'));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  let store: Store;
  try {
    store = await openStore(join(folder, 'jobs.db'), options);
  } catch (error) {
    remove();
    throw error;
  }
  const closeStore = store.close.bind(store);
  const close = async (): Promise<void> => {
    await closeStore();
    remove();
  };
  return Object.assign(store, { close, [Symbol.asyncDispose]: close });
}

export interface RunOnceOptions {
  /** What `prepare` would have stored for the run. Default null. */
  readonly carry?: Json;
  /** What the server would have been started with. Default null. */
  readonly settings?: unknown;
  /** Which attempt it is, from 1. Default 1; at the definition's `attempts` a fault is final. */
  readonly attempt?: number;
  /** Default `tem_test`. */
  readonly team?: string;
  /** Default `usr_test`. */
  readonly owner?: string;
  /** Aborting it ends the run as a shutdown does: the job is handed back. */
  readonly signal?: AbortSignal;
  readonly log?: Logger;
}

export interface RanOnce<Result> {
  /** Where the run leaves the job: `queued` is a retry or a hand-back. */
  readonly status: 'completed' | 'failed' | 'queued';
  /** As a caller reads it, after JSON; null unless completed. */
  readonly result: Result | null;
  /** What would be written together with the completion. Nothing is written here. */
  readonly effects: readonly Effect[];
  /** The envelope of a failed job, or null. */
  readonly error: Failure | null;
  /** Whether the run counts as a fault. */
  readonly fault: boolean;
  /** Everything that the handler said of its progress, in order. */
  readonly progress: readonly Progress[];
}

/**
 * Run a definition once, as a worker would: the input is parsed, the deadline holds, the result is
 * checked. `prepare` is not called; effects are returned and not applied.
 */
export async function runOnce<In extends Schema, Out extends Schema, Carry extends Json>(
  definition: JobDefinition<In, Out, Carry>,
  input: InferInput<In>,
  options: RunOnceOptions = {},
): Promise<RanOnce<InferOutput<Out>>> {
  const { settings = null, log = SILENT, signal } = options;
  const stop = new AbortController();
  const shutdown = () => stop.abort('shutdown');
  const deadline = setTimeout(() => stop.abort('deadline'), definition.timeoutMs);
  signal?.addEventListener('abort', shutdown, { once: true });
  if (signal?.aborted) shutdown();
  const progress: Progress[] = [];
  try {
    const change = await runJob(jobFor(definition, input, options), {
      definition,
      settings,
      log,
      stop: stop.signal,
      onProgress: (latest) => progress.push(latest),
      onHandlerEnd: () => {},
    });
    return {
      status: (change?.to ?? 'queued') as RanOnce<never>['status'],
      result: change?.result === undefined ? null : (JSON.parse(change.result) as InferOutput<Out>),
      effects: change?.effects ?? [],
      error: change?.error ?? null,
      fault: change?.fault ?? change?.error?.fault ?? false,
      progress,
    };
  } finally {
    clearTimeout(deadline);
    signal?.removeEventListener('abort', shutdown);
  }
}

function jobFor(
  definition: Pick<JobDefinition, 'name' | 'attempts' | 'timeoutMs'>,
  input: unknown,
  { carry = null, attempt = 1, team = 'tem_test', owner = 'usr_test' }: RunOnceOptions,
): Job {
  const at = now();
  return {
    id: newId('mjb', at),
    tool: definition.name,
    team,
    owner,
    scope: null,
    status: 'running',
    input: JSON.stringify(input),
    carry: JSON.stringify(carry),
    requestId: 'req_test',
    result: null,
    resultBytes: null,
    error: null,
    progress: null,
    questions: null,
    answers: null,
    runs: attempt,
    attempts: attempt - 1,
    attemptsMax: definition.attempts,
    timeoutMs: definition.timeoutMs,
    alone: false,
    lease: newLease(),
    worker: 'wrk_test',
    createdAt: at,
    startedAt: at,
    updatedAt: at,
    completedAt: null,
  };
}
