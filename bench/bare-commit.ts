/**
 * The least that a durable group commit over SQLite can be: one table, one thread that begins,
 * inserts and commits, and an answer for each caller. What the store is compared with.
 */
import { Worker } from 'node:worker_threads';
import type { NewJob } from '../src/job/job.ts';

/** A table with nothing but a primary key, or the one that `openStore` has made in this file. */
export type BareTable = 'plain' | 'ours';

export class BareCommit {
  readonly #thread: Worker;
  readonly #resolvers = new Map<string, () => void>();
  #outgoing: NewJob[] = [];

  constructor(path: string, table: BareTable) {
    this.#thread = new Worker(new URL('./bare-commit-thread.ts', import.meta.url), {
      workerData: { path, table },
    });
    this.#thread.on('message', (ids: readonly string[]) => {
      for (const id of ids) {
        this.#resolvers.get(id)?.();
        this.#resolvers.delete(id);
      }
    });
  }

  async insert(job: NewJob): Promise<void> {
    const kept = new Promise<void>((resolve) => this.#resolvers.set(job.id, resolve));
    if (this.#outgoing.push(job) === 1) queueMicrotask(() => this.#send());
    await kept;
  }

  #send(): void {
    this.#thread.postMessage(this.#outgoing);
    this.#outgoing = [];
  }

  async close(): Promise<void> {
    await this.#thread.terminate();
  }
}
