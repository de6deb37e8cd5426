/**
 * How often to ask after a job: every second for its first ten seconds, every five seconds for
 * the next fifty, every thirty seconds from then on.
 *
 * @param ageMs time since the job was enqueued, in milliseconds; below 0 counts as 0
 * @returns milliseconds to wait before the next poll
 */
export function pollDelayMs(ageMs: number): number {
  if (ageMs < 10_000) return 1_000;
  if (ageMs < 60_000) return 5_000;
  return 30_000;
}
