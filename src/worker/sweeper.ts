/** Lets time do its work on a store: a sweep every second, at once more often while there is much to purge. */
import type { Logger } from '../job/log.ts';
import type { Store } from '../store/store.ts';
import { describe } from './run-job.ts';

const EVERY_MS = 1_000;
const PURGE_PAUSE_MS = 50;

export interface SweeperOptions {
  readonly store: Pick<Store, 'sweep'>;
  /** Final jobs are purged this long after completion, in milliseconds. */
  readonly retentionMs: number;
  /** How long no living worker may know a tool before its jobs end. Default 3,600,000. */
  readonly toolMissingMs?: number;
  readonly log: Logger;
}

/** @returns how to stop it */
export function startSweeper(options: SweeperOptions): () => Promise<void> {
  const { store, retentionMs, toolMissingMs = 3_600_000, log } = options;
  let isStopping = false;
  let timer: NodeJS.Timeout | undefined;
  const pass = async (): Promise<void> => {
    let purged = 0;
    try {
      const swept = await store.sweep({ retentionMs, toolMissingMs });
      purged = swept.purged;
      for (const id of swept.moved) log.info({ job_id: id }, 'the sweep moved the job');
    } catch (error) {
      log.warn({ error: describe(error) }, 'sweeping failed; trying again');
    }
    if (!isStopping) timer = setTimeout(next, purged > 0 ? PURGE_PAUSE_MS : EVERY_MS);
  };
  let running = pass();
  const next = () => {
    running = pass();
  };
  return async () => {
    isStopping = true;
    clearTimeout(timer);
    await running;
  };
}
