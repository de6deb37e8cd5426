/**
 * Bounded waits. All who wait share one watch of the store and one timer; a waiter costs an entry
 * in a set, and no database connection, no timer and no worker. It works whoever makes the change:
 * what this process commits is told by id, and after a commit of another process the jobs that are
 * waited for are read again, in small batches that take at most a tenth of the time.
 */
import { setImmediate as breathe, setTimeout as rest } from 'node:timers/promises';
import { monotonic } from '../job/clock.ts';
import type { Job } from '../job/job.ts';
import { isFinal } from '../job/states.ts';
import type { Who } from '../job/who.ts';
import type { ChangeNotice, Store } from '../store/store.ts';
import { DEADLINES } from './deadlines.ts';
import { unknownJob } from './get.ts';

/** Longest wait, in seconds: under what every known client bears, and under the 30 s of a request. */
export const WAIT_SECONDS_MAX = 25;

const BATCH = 50;
/** Rest so many times as long as a batch of jobs took that may or may not have changed. */
const REST_FACTOR = 9;
/** Rest after the store could not answer, in milliseconds. */
const TROUBLE_MS = 250;

export interface WaitRequest {
  readonly who: Who;
  /** How long, in milliseconds; 0 looks once. */
  readonly ms: number;
  /** Ends the wait when whoever waits has left. */
  readonly signal?: AbortSignal;
  /** Told of the job at the beginning, and again whenever it may have changed. */
  readonly onChange?: ((job: Job) => void) | undefined;
}

interface Waiter {
  readonly onChange: WaitRequest['onChange'];
  readonly settle: (outcome: Job | Promise<never>) => void;
  /** Whether it takes the next state that is read, whatever that is. */
  isDue: boolean;
}

/** Those who wait for one job. Each has been shown that it may see it. */
interface Group {
  readonly id: string;
  readonly who: Who;
  readonly waiters: Set<Waiter>;
}

export class Waits {
  readonly #store: Pick<Store, 'get' | 'onChange'>;
  readonly #groups = new Map<string, Group>();
  /** Groups whose job has changed, or with a waiter whose time is over. */
  readonly #told = new Set<Group>();
  /** Groups whose job may have changed. */
  readonly #suspect = new Set<Group>();
  #unsubscribe: (() => void) | null = null;
  readonly #closing = new AbortController();
  #isReading = false;

  constructor(store: Pick<Store, 'get' | 'onChange'>) {
    this.#store = store;
  }

  /** Aborted when the server goes away. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** How many wait at the moment. */
  get size(): number {
    return [...this.#groups.values()].reduce((sum, { waiters }) => sum + waiters.size, 0);
  }

  /**
   * Wait until a job is final or asks for input, but no longer than the request says.
   *
   * @returns the job as it is then
   * @throws JobError RESOURCE_NOT_FOUND, at once, for unknown and foreign jobs alike
   */
  async until(id: string, request: WaitRequest): Promise<Job> {
    const { who, ms, signal, onChange } = request;
    const job = (await this.#store.get(id, who)) ?? unknownJob();
    if (ms <= 0 || isOver(job) || this.closing.aborted || signal?.aborted) return job;
    onChange?.(job);
    const { promise, resolve: settle } = Promise.withResolvers<Job>();
    const waiter: Waiter = { onChange, settle, isDue: false };
    const group = this.#join(id, who, waiter);
    const cancel = DEADLINES.after(ms, () => this.#end(group, waiter));
    // Who has left is answered with what was known; nobody reads it.
    const leave = () => settle(job);
    signal?.addEventListener('abort', leave, { once: true });
    try {
      return await promise;
    } finally {
      signal?.removeEventListener('abort', leave);
      cancel();
      this.#leave(group, waiter);
    }
  }

  /** Answer everybody with the present state. From now on nobody waits. */
  close(): void {
    this.#closing.abort();
    for (const group of this.#groups.values()) {
      for (const waiter of group.waiters) this.#end(group, waiter);
    }
  }

  #join(id: string, who: Who, waiter: Waiter): Group {
    const group = this.#groups.get(id) ?? { id, who, waiters: new Set() };
    group.waiters.add(waiter);
    this.#groups.set(id, group);
    this.#unsubscribe ??= this.#store.onChange((notice) => this.#notice(notice));
    // What was committed between the first look and this line is found by a second one.
    this.#told.add(group);
    void this.#read();
    return group;
  }

  #leave(group: Group, waiter: Waiter): void {
    group.waiters.delete(waiter);
    if (group.waiters.size > 0) return;
    this.#groups.delete(group.id);
    this.#told.delete(group);
    this.#suspect.delete(group);
    if (this.#groups.size > 0) return;
    this.#unsubscribe?.();
    this.#unsubscribe = null;
  }

  #end(group: Group, waiter: Waiter): void {
    waiter.isDue = true;
    this.#told.add(group);
    void this.#read();
  }

  #notice(notice: ChangeNotice | null): void {
    if (notice === null) {
      for (const group of this.#groups.values()) this.#suspect.add(group);
    } else {
      const group = this.#groups.get(notice.id);
      if (group === undefined) return;
      this.#told.add(group);
    }
    void this.#read();
  }

  /** Read what has to be read, one batch at a time, until nothing is left. */
  async #read(): Promise<void> {
    if (this.#isReading) return;
    this.#isReading = true;
    try {
      // What comes in the same turn shares a batch.
      await breathe();
      while (this.#told.size + this.#suspect.size > 0) {
        const startedAt = monotonic();
        const isCertain = this.#told.size > 0;
        const batch = take(isCertain ? this.#told : this.#suspect);
        const read = await Promise.all(batch.map((group) => this.#look(group)));
        if (read.includes(false)) await rest(TROUBLE_MS);
        else if (isCertain) await breathe();
        else await rest(REST_FACTOR * (monotonic() - startedAt));
      }
    } finally {
      this.#isReading = false;
    }
  }

  /** @returns false when the store could not answer; it is asked again */
  async #look(group: Group): Promise<boolean> {
    const { id, who, waiters } = group;
    let job: Job | null;
    try {
      job = await this.#store.get(id, who);
    } catch (error) {
      for (const { isDue, settle } of waiters) if (isDue) settle(Promise.reject(error));
      if (waiters.size > 0) this.#suspect.add(group);
      return false;
    }
    for (const { isDue, settle, onChange } of waiters) {
      if (job === null) settle(gone());
      else if (isDue || isOver(job)) settle(job);
      else onChange?.(job);
    }
    return true;
  }
}

/** Whether there is nothing to wait for: the job is final, or asks for input. */
function isOver({ status }: Job): boolean {
  return isFinal(status) || status === 'waiting';
}

/** A job that was purged while it was waited for. */
async function gone(): Promise<never> {
  return unknownJob();
}

function take<T>(from: Set<T>): T[] {
  const batch = [...from.values().take(BATCH)];
  for (const one of batch) from.delete(one);
  return batch;
}
