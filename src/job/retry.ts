import { randomBelow } from './ids.ts';

/** How long a job rests after a fault. */
export interface Backoff {
  /** Upper bound of the first delay, in milliseconds. Default 1,000; 0..3,600,000. */
  readonly baseMs: number;
  /** Upper bound of every delay, in milliseconds. Default 60,000; 0..3,600,000. */
  readonly maxMs: number;
}

export const DEFAULT_BACKOFF: Backoff = { baseMs: 1_000, maxMs: 60_000 };

/**
 * Exponential backoff with equal jitter: half of the bound is certain, half is random, so that
 * jobs that failed together do not return together.
 *
 * @param attempts faults so far, from 1
 */
export function retryDelayMs(
  attempts: number,
  backoff: Backoff = DEFAULT_BACKOFF,
  random: (belowExclusive: number) => number = randomBelow,
): number {
  const bound = Math.min(backoff.maxMs, backoff.baseMs * 2 ** Math.min(attempts - 1, 30));
  return Math.floor(bound / 2) + random(bound / 2 + 1);
}
