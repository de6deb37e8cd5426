/**
 * Writes a run's progress at most once a second, however often it is said; what was said last is
 * written last.
 */
import type { Progress } from '../job/job.ts';
import type { Logger } from '../job/log.ts';
import type { Held, WorkStore } from '../store/store.ts';

const EVERY_MS = 1_000;

export class ProgressWriter {
  readonly #store: Pick<WorkStore, 'progress'>;
  readonly #held: Held;
  readonly #log: Logger;
  #latest: Progress | null = null;
  #timer: NodeJS.Timeout | null = null;
  #isClosed = false;

  constructor(store: Pick<WorkStore, 'progress'>, held: Held, log: Logger) {
    this.#store = store;
    this.#held = held;
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
      .progress(this.#held, progress)
      .catch((error: unknown) =>
        this.#log.debug({ error: String(error) }, 'progress was not kept'),
      );
  }
}
