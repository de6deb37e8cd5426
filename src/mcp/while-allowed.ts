/**
 * A wait that ends within a second when the one who waits has lost the right to be told, such as by
 * the revocation of his token. All waits share one timer.
 */
import { JobError } from '../job/errors.ts';
import type { Caller } from './job-tools.ts';

/** Whoever waits or listens is asked for his right to it again this often, in milliseconds. */
export const AUTHORISE_MS = 800;

const checks = new Set<() => void>();
let timer: NodeJS.Timeout | null = null;

/**
 * @param wait given a signal that is aborted when the wait is in vain
 * @throws JobError AUTHENTICATION_REQUIRED
 */
export async function whileAllowed<T>(
  { again }: Caller,
  signal: AbortSignal,
  wait: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (again === undefined) return wait(signal);
  const lost = new AbortController();
  const { promise: refused, reject } = Promise.withResolvers<never>();
  const check = (): void => {
    // Who cannot be told for a moment is asked for again.
    void Promise.resolve(again()).then(
      (who) => who === null && lost.abort(),
      () => {},
    );
  };
  lost.signal.addEventListener('abort', () => reject(new JobError('AUTHENTICATION_REQUIRED')));
  begin(check);
  try {
    return await Promise.race([wait(AbortSignal.any([signal, lost.signal])), refused]);
  } finally {
    end(check);
  }
}

function begin(check: () => void): void {
  checks.add(check);
  timer ??= setInterval(() => {
    for (const one of checks) one();
  }, AUTHORISE_MS).unref();
}

function end(check: () => void): void {
  checks.delete(check);
  if (checks.size > 0 || timer === null) return;
  clearInterval(timer);
  timer = null;
}
