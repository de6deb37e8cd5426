import { JobError } from '../job/errors.ts';
import { DEADLINES } from './deadlines.ts';

/**
 * Wait for a promise, but not for ever. What it was waiting for goes on unheard.
 *
 * @param what names the work in the message, as the start of a sentence
 * @throws JobError TIMEOUT after `ms` milliseconds and at most half a second more
 */
export async function within<T>(work: Promise<T> | T, ms: number, what: string): Promise<T> {
  if (!(work instanceof Promise)) return work;
  const { promise: late, reject } = Promise.withResolvers<never>();
  const cancel = DEADLINES.after(ms, () => {
    reject(new JobError('TIMEOUT', { message: `${what} took longer than ${ms / 1000} s.` }));
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    cancel();
  }
}
