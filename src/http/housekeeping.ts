import type { Logger } from '../job/log.ts';
import type { Store } from '../store/store.ts';

const EVERY_MS = 3_600_000;

/**
 * Do the application's own housekeeping at once, and then every hour.
 *
 * @returns how to stop it; resolves when it does not run any more
 */
export function keepHouse(
  maintain: (store: Store) => Promise<void>,
  store: Store,
  log: Logger,
): () => Promise<void> {
  const round = async (): Promise<void> => {
    try {
      await maintain(store);
    } catch (error) {
      log.error({ err: error }, 'housekeeping failed; it is tried again in an hour');
    }
  };
  let running = round();
  const timer = setInterval(() => {
    running = round();
  }, EVERY_MS);
  return async () => {
    clearInterval(timer);
    await running;
  };
}
