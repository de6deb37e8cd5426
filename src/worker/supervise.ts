/**
 * Keeps worker processes running beside a server, or in a process of their own, and writes for
 * them: they claim, renew and settle through the supervisor's store.
 */
import type { AnyDefinition } from '../job/definition.ts';
import type { Logger } from '../job/log.ts';
import type { Store } from '../store/store.ts';
import { tellCancelled } from './cancelled.ts';
import { checkedMaxRunning } from './limits.ts';
import { WorkerProcess } from './worker-process.ts';

/**
 * A worker that ended within this time of its start, without a job, is restarted with a growing
 * delay. Where a job was at work, its attempts bound the deaths, and others need the worker.
 */
const QUICK_DEATH_MS = 10_000;
const RESTART_MAX_MS = 5_000;

export interface SuperviseOptions {
  readonly store: Store;
  /** The module that exports the definitions. */
  readonly jobs: URL;
  readonly definitions: ReadonlyMap<string, AnyDefinition>;
  readonly settings: unknown;
  readonly workers: number;
  readonly concurrency: number;
  readonly leaseMs: number;
  /** Running jobs of each team at most, over all workers of the store; 0 is off. Default 0; 0..10,000. */
  readonly maxRunningPerTeam?: number;
  readonly log: Logger;
}

export interface Supervision {
  /** Process ids of the living workers. */
  pids(): readonly number[];
  /** How many workers are ready to run jobs. */
  alive(): number;
  /** Claim no more; let runs finish for `graceMs`, then hand them back. Resolves when all have ended. */
  stop(graceMs: number): Promise<void>;
  /** End the processes at once; their jobs are handed back. */
  kill(): void;
}

export function supervise(options: SuperviseOptions): Supervision {
  const { store, log } = options;
  checkedMaxRunning(options.maxRunningPerTeam ?? 0);
  const slots = Array.from({ length: options.workers }, () => new Slot(options, () => wakeNext()));
  const wakeNext = () => slots.find((slot) => slot.process?.isHungry)?.process?.wake();
  const unsubscribe = [
    store.onDue(wakeNext),
    tellCancelled(store, () => slots.flatMap((slot) => slot.process ?? []), log),
  ];
  if (options.workers === 0) log.info({}, 'no workers are started here');
  return {
    pids: () => slots.flatMap((slot) => slot.process?.pid ?? []),
    alive: () => slots.filter((slot) => slot.process?.isReady).length,
    async stop(graceMs) {
      await Promise.all(slots.map((slot) => slot.stop(graceMs)));
      for (const end of unsubscribe) end();
    },
    kill() {
      for (const slot of slots) slot.process?.kill();
    },
  };
}

/** The place of one worker: its process, and the next one when it ends. */
class Slot {
  readonly #options: SuperviseOptions;
  readonly #onClaimed: () => void;
  #quickDeaths = 0;
  #restart: NodeJS.Timeout | null = null;
  #isStopping = false;
  process: WorkerProcess | null = null;

  constructor(options: SuperviseOptions, onClaimed: () => void) {
    this.#options = options;
    this.#onClaimed = onClaimed;
    this.#start();
  }

  #start(): void {
    const process = new WorkerProcess(this.#options, this.#onClaimed);
    this.process = process;
    void this.#follow(process);
  }

  async #follow(process: WorkerProcess): Promise<void> {
    await process.ended;
    this.process = null;
    if (this.#isStopping) return;
    const isQuick = process.ageMs < QUICK_DEATH_MS && !process.hasWorked;
    this.#quickDeaths = isQuick ? this.#quickDeaths + 1 : 0;
    const delayMs = Math.min(RESTART_MAX_MS, 50 * 2 ** Math.max(0, this.#quickDeaths - 1));
    this.#options.log.warn({ pid: process.pid, delayMs }, 'a worker has ended; restarting it');
    this.#restart = setTimeout(() => this.#start(), delayMs);
  }

  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true;
    if (this.#restart) clearTimeout(this.#restart);
    await this.process?.stop(graceMs);
  }
}
