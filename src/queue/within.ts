import { JobError } from '../job/errors.ts';

/**
 * Wait for a promise, but not for ever. What it was waiting for goes on unheard.
 *
 * @param what names the work in the message, as the start of a sentence
 * @throws JobError TIMEOUT after `ms` milliseconds
 */
export async function within<T>(work: Promise<T> | T, ms: number, what: string): Promise<T> {
  if (!(work instanceof Promise)) return work;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new JobError('TIMEOUT', { message: `${what} took longer than ${ms / 1000} s.` }));
    }, ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
