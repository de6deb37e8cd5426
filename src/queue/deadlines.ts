/**
 * Many deadlines on one timer: each costs an entry in a map. They are kept to half a second, late
 * and never early, which is all that bounds of seconds need.
 */
import { monotonic } from '../job/clock.ts';

const TICK_MS = 250;

export class Deadlines {
  readonly #ticks = new Map<number, Set<() => void>>();
  #timer: NodeJS.Timeout | null = null;

  /** Call back once after `ms` milliseconds; returns how to take it back. */
  after(ms: number, call: () => void): () => void {
    const tick = Math.ceil((monotonic() + ms) / TICK_MS);
    const due = this.#ticks.get(tick) ?? new Set();
    // A wrapper of its own, so that the same function may have several deadlines.
    const entry = () => call();
    due.add(entry);
    this.#ticks.set(tick, due);
    this.#timer ??= setInterval(() => this.#look(), TICK_MS);
    return () => {
      due.delete(entry);
      if (due.size === 0 && this.#ticks.get(tick) === due) this.#ticks.delete(tick);
      this.#restIfIdle();
    };
  }

  #look(): void {
    const at = Math.floor(monotonic() / TICK_MS);
    for (const [tick, due] of this.#ticks) {
      if (tick > at) continue;
      this.#ticks.delete(tick);
      for (const call of due) call();
    }
    this.#restIfIdle();
  }

  #restIfIdle(): void {
    if (this.#ticks.size > 0 || !this.#timer) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }
}

/** For everything in this process that is bounded in seconds. */
export const DEADLINES = new Deadlines();
