/**
 * Progress as a handler says it, brought within bounds, and written at most once a second, however
 * often it is said; what was said last is written last.
 */
import { now } from '../job/clock.ts';
import type { Job, Progress } from '../job/job.ts';
import type { Logger } from '../job/log.ts';
import { printable } from '../job/printable.ts';
import type { Held, WorkStore } from '../store/store.ts';

const EVERY_MS = 1_000;
/** Characters of a message; what is longer ends in `…`. */
const MESSAGE_MAX = 200;

/** Whatever a handler says: numbers that are none count as 0 or as unknown, texts are cut. */
export function boundedProgress(done: unknown, total: unknown, message: unknown): Progress {
  const whole = amount(total);
  return {
    done: amount(done),
    total: whole === 0 ? null : whole,
    // Cut first, so that a text of megabytes costs nothing; a pair of surrogates may be split by it.
    message:
      typeof message === 'string'
        ? printable(message.slice(0, 2 * MESSAGE_MAX), MESSAGE_MAX)
        : null,
  };
}

function amount(value: unknown): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0) return 0;
  return Math.min(value, Number.MAX_SAFE_INTEGER);
}

export class ProgressWriter {
  readonly #store: Pick<WorkStore, 'progress'>;
  readonly #held: Held;
  readonly #run: Pick<Progress, 'run' | 'since'>;
  readonly #log: Logger;
  #latest: Progress | null = null;
  #timer: NodeJS.Timeout | null = null;
  #isClosed = false;

  /** Made when the run begins. */
  constructor(store: Pick<WorkStore, 'progress'>, run: Held & Pick<Job, 'runs'>, log: Logger) {
    this.#store = store;
    this.#held = { id: run.id, lease: run.lease };
    this.#run = { run: run.runs, since: now() };
    this.#log = log;
  }

  set(progress: Progress): void {
    if (this.#isClosed) return;
    this.#latest = progress;
    if (this.#timer) return;
    this.#write();
    this.#timer = setInterval(() => this.#write(), EVERY_MS);
    this.#timer.unref();
  }

  /** Write what is left. Called before the end of the run is written, so that it still may. */
  close(): void {
    this.#isClosed = true;
    if (this.#timer) clearInterval(this.#timer);
    this.#write();
  }

  #write(): void {
    const progress = this.#latest;
    if (!progress) return;
    this.#latest = null;
    this.#store
      .progress(this.#held, { ...progress, ...this.#run })
      .catch((error: unknown) =>
        this.#log.debug({ error: String(error) }, 'progress was not kept'),
      );
  }
}
