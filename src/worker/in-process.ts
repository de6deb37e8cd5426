/** A worker inside this process: for tests, for embedding, for a server without worker processes. */
import type { AnyDefinition } from '../job/definition.ts';
import { newId } from '../job/ids.ts';
import { LEASE_MS } from '../job/job.ts';
import type { Logger } from '../job/log.ts';
import { identityOf } from '../store/process-identity.ts';
import type { Store } from '../store/store.ts';
import { tellCancelled } from './cancelled.ts';
import { checkedMaxRunning } from './limits.ts';
import { describe } from './run-job.ts';
import { Worker } from './worker.ts';

const BEAT_MS = 5_000;

export interface RunWorkerOptions {
  readonly store: Store;
  readonly definitions: ReadonlyMap<string, AnyDefinition>;
  readonly settings?: unknown;
  /** Handlers at once. Default 1; 1..1,000. */
  readonly concurrency?: number;
  /** How long a lease lasts, in milliseconds. Default 15,000. */
  readonly leaseMs?: number;
  /** Running jobs of each team at most, over all workers of the store; 0 is off. Default 0; 0..10,000. */
  readonly maxRunningPerTeam?: number;
  readonly log: Logger;
}

export interface RunningWorker {
  /** Claim no more; let runs finish for `graceMs`, then hand them back. */
  stop(graceMs: number): Promise<void>;
}

export function runWorker(options: RunWorkerOptions): RunningWorker {
  const { store, definitions, settings = null, concurrency = 1, leaseMs = LEASE_MS, log } = options;
  const maxRunningPerTeam = checkedMaxRunning(options.maxRunningPerTeam ?? 0);
  const id = newId('wrk');
  const self = identityOf(process.pid);
  const tools = [...definitions.keys()];
  const beat = () => {
    store.beat({ id, process: self, supervisor: self, tools }).catch((error: unknown) => {
      log.warn({ error: describe(error) }, 'the worker could not be made known; trying again');
    });
  };
  beat();
  const beats = setInterval(beat, BEAT_MS);
  const working = { definitions, settings, concurrency, leaseMs, maxRunningPerTeam };
  const worker = new Worker({ id, store, ...working, log });
  const unsubscribe = tellCancelled(store, () => [worker], log);
  return {
    async stop(graceMs) {
      unsubscribe();
      clearInterval(beats);
      await worker.stop(graceMs);
    },
  };
}
