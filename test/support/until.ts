/** Waiting for something to become true, with a deadline and the last value seen in the message. */
import { setTimeout as pause } from 'node:timers/promises';
import { inspect } from 'node:util';
import { monotonic } from '../../src/job/clock.ts';

type Falsy = false | 0 | '' | null | undefined;

export interface UntilOptions {
  /** Default 10,000. */
  readonly ms?: number;
  /** Default 10. */
  readonly everyMs?: number;
}

/**
 * Look until the value is truthy, and give it back.
 *
 * @param what a sentence's end: "the job is completed"
 */
export async function until<T>(
  what: string,
  look: () => Promise<T> | T,
  { ms = 10_000, everyMs = 10 }: UntilOptions = {},
): Promise<Exclude<T, Falsy>> {
  const giveUpAt = monotonic() + ms;
  for (;;) {
    const seen = await look();
    if (seen) return seen as Exclude<T, Falsy>;
    if (monotonic() > giveUpAt) {
      throw new Error(`waited ${ms} ms in vain until ${what}; last seen: ${inspect(seen)}`);
    }
    await pause(everyMs);
  }
}
