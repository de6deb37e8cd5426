import { JobError } from '../job/errors.ts';
import { DEADLINES } from './deadlines.ts';

/** What is thrown when the time is over, given its length. */
type Late = (seconds: number) => JobError;

/** @param what names the work in the message, as the start of a sentence */
export function timeout(what: string): Late {
  return (seconds) =>
    new JobError('TIMEOUT', { message: `${what} took longer than ${seconds} s.` });
}

/**
 * Wait for a promise, but not for ever. What it was waiting for goes on unheard.
 *
 * @throws JobError what `late` makes, after `ms` milliseconds and at most half a second more
 */
export async function within<T>(work: Promise<T> | T, ms: number, late: Late): Promise<T> {
  if (!(work instanceof Promise)) return work;
  const { promise: over, reject } = Promise.withResolvers<never>();
  const cancel = DEADLINES.after(ms, () => reject(late(ms / 1_000)));
  try {
    return await Promise.race([work, over]);
  } finally {
    cancel();
  }
}
