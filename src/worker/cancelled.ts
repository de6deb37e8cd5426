/**
 * Telling workers of cancelled jobs. A commit of this process says which job it was; after one of
 * another process, which need not say, what the workers run is compared with what they still hold.
 */
import type { Logger } from '../job/log.ts';
import type { Store } from '../store/store.ts';
import { describe } from './run-job.ts';

/** Other processes may commit all the time: no look begins sooner after the one before. */
const LOOK_MS = 500;

export interface Runner {
  readonly id: string;
  /** Ids of the jobs that it runs, by lease. */
  running(): ReadonlyMap<string, string>;
  /** The job was taken from it: stop its runs, or the one under this lease if only that is lost. */
  abort(id: string, lease?: string): void;
}

/** @returns how to end it */
export function tellCancelled(
  store: Pick<Store, 'onChange' | 'heldBy'>,
  runners: () => readonly Runner[],
  log: Logger,
): () => void {
  let timer: NodeJS.Timeout | null = null;
  let isDue = false;
  const look = async (): Promise<void> => {
    isDue = false;
    // Held even when there is nothing to look for: it is what keeps looks apart.
    timer = setTimeout(() => {
      timer = null;
      if (isDue) void look();
    }, LOOK_MS).unref();
    try {
      await Promise.all(runners().map((runner) => abortLost(store, runner)));
    } catch (error) {
      log.debug({ error: describe(error) }, 'looking for cancelled jobs failed');
    }
  };
  const unsubscribe = store.onChange((notice) => {
    if (notice?.status === 'cancelled') for (const runner of runners()) runner.abort(notice.id);
    if (notice !== null) return;
    isDue = true;
    if (timer === null) void look();
  });
  return () => {
    unsubscribe();
    isDue = false;
  };
}

async function abortLost(store: Pick<Store, 'heldBy'>, runner: Runner): Promise<void> {
  const before = runner.running();
  if (before.size === 0) return;
  const held = new Set((await store.heldBy(runner.id)).map(({ lease }) => lease));
  // Meanwhile a run may have ended, or its job been begun anew under another lease.
  const now = runner.running();
  for (const [lease, id] of before) {
    if (now.has(lease) && !held.has(lease)) runner.abort(id, lease);
  }
}
