/** Who waits for a change of which job, in this process. */
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';
import { monotonic } from '../job/clock.ts';
import type { Store } from '../store/store.ts';

/** After a pass over everything that is watched, the next one waits at least this long … */
const PASS_PAUSE_MS = 50;
/** … and this many times as long as the pass took. */
const PASS_SHARE = 10;
/** Other work gets its turn after this many calls of a pass. */
const PASS_STEP = 100;

export type Changed = (id: string) => void;

/**
 * Calls back when a job may have changed, whichever process changed it; whoever is called reads it
 * afresh. The store is listened to only while something is watched.
 */
export class JobWatch {
  readonly #store: Pick<Store, 'onChange'>;
  readonly #watching = new Map<string, Set<Changed>>();
  #stop: (() => void) | null = null;
  #isPassing = false;
  #passAgain = false;

  constructor(store: Pick<Store, 'onChange'>) {
    this.#store = store;
  }

  /** @returns how to stop */
  watch(ids: Iterable<string>, changed: Changed): () => void {
    const mine = [...ids];
    for (const id of mine) {
      const listeners = this.#watching.get(id);
      if (listeners) listeners.add(changed);
      else this.#watching.set(id, new Set([changed]));
    }
    this.#stop ??= this.#store.onChange((notice) => {
      if (notice === null) this.#soon();
      else for (const listener of this.#watching.get(notice.id) ?? []) listener(notice.id);
    });
    return () => {
      for (const id of mine) {
        const listeners = this.#watching.get(id);
        listeners?.delete(changed);
        if (listeners?.size === 0) this.#watching.delete(id);
      }
      if (this.#watching.size > 0) return;
      this.#stop?.();
      this.#stop = null;
    };
  }

  /** Another process has committed something: any job may have changed. */
  #soon(): void {
    this.#passAgain = true;
    if (!this.#isPassing) void this.#passOver();
  }

  async #passOver(): Promise<void> {
    this.#isPassing = true;
    while (this.#passAgain) {
      this.#passAgain = false;
      let busyMs = 0;
      const all = [...this.#watching];
      for (let at = 0; at < all.length; at += PASS_STEP) {
        const began = monotonic();
        for (const [id, listeners] of all.slice(at, at + PASS_STEP)) {
          for (const listener of listeners) listener(id);
        }
        busyMs += monotonic() - began;
        await nextTurn();
      }
      await pause(Math.max(PASS_PAUSE_MS, busyMs * PASS_SHARE), null, { ref: false });
    }
    this.#isPassing = false;
  }
}

const watches = new WeakMap<object, JobWatch>();

/** The one watch of a store, whoever asks for it. */
export function watchOf(store: Pick<Store, 'onChange'>): JobWatch {
  const watch = watches.get(store) ?? new JobWatch(store);
  watches.set(store, watch);
  return watch;
}
