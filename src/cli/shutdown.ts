/**
 * Signals: the first asks to stop, the second one ends the process at once.
 */
import type { Logger } from '../job/log.ts';

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
/** What runs is finished or handed back within this time, … */
const GRACE_MS = 5_000;
/** … and the process ends within this one. */
const STOP_MS = 9_000;

export interface Stopping {
  /** Resolves with the first signal. */
  readonly asked: Promise<NodeJS.Signals>;
  /** Aborted with it. */
  readonly signal: AbortSignal;
}

/** Listen for signals from now on. */
export function onStopSignals(): Stopping {
  const controller = new AbortController();
  const asked = Promise.withResolvers<NodeJS.Signals>();
  for (const name of SIGNALS) {
    process.on(name, (signal: NodeJS.Signals, number: number) => {
      if (controller.signal.aborted) process.exit(128 + number);
      controller.abort();
      asked.resolve(signal);
    });
  }
  return { asked: asked.promise, signal: controller.signal };
}

/** Stop what was started, and end the process: with 0, or with 1 when stopping failed. */
export async function stopAndExit(
  stop: (graceMs: number) => Promise<void>,
  log: Logger,
): Promise<never> {
  const late = setTimeout(() => {
    log.error({ afterMs: STOP_MS }, 'stopping takes too long; the rest is taken over by its lease');
    process.exit(1);
  }, STOP_MS);
  try {
    await stop(GRACE_MS);
  } catch (error) {
    log.error({ err: error }, 'stopping failed');
    process.exit(1);
  }
  clearTimeout(late);
  log.info({}, 'stopped');
  process.exit(0);
}
