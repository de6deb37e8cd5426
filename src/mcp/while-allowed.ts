/**
 * A wait that ends within a second when the one who waits has lost the right to be told: by the
 * revocation of his token, or of an ability. All waits share one timer.
 */
import { monotonic } from '../job/clock.ts';
import { JobError } from '../job/errors.ts';
import { rightsOf, type Who } from '../job/who.ts';
import { noSuchJob } from '../queue/get.ts';
import type { Caller } from './job-tools.ts';

/** Whoever waits or listens is asked for his right to it again this often, in milliseconds. */
export const AUTHORISE_MS = 500;
/** Who has not been told after this time is asked for again. */
const ANSWER_MS = 5_000;

const checks = new Set<() => void>();
let timer: NodeJS.Timeout | null = null;

interface Waiting {
  readonly caller: Caller;
  readonly signal: AbortSignal;
  /** Whether the caller may still be told; asked when his rights are not what they were. */
  readonly sees: (who: Who) => Promise<boolean>;
}

/**
 * @param wait given a signal that is aborted when the wait is in vain
 * @throws JobError AUTHENTICATION_REQUIRED, or RESOURCE_NOT_FOUND as `get`
 */
export async function whileAllowed<T>(
  { caller: { who, again }, signal, sees }: Waiting,
  wait: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (again === undefined) return wait(signal);
  const lost = new AbortController();
  const { promise: refused, reject } = Promise.withResolvers<never>();
  const check = oneAtATime(async () => {
    const now = await again();
    if (now !== null && (rightsOf(now) === rightsOf(who) || (await sees(now)))) return;
    reject(now === null ? new JobError('AUTHENTICATION_REQUIRED') : noSuchJob());
    lost.abort();
  });
  // Who cannot be told for a moment is asked for again.
  const checkSoon = () => void check().catch(() => {});
  begin(checkSoon);
  try {
    return await Promise.race([wait(AbortSignal.any([signal, lost.signal])), refused]);
  } finally {
    end(checkSoon);
  }
}

/** A check that does nothing while the one before is under way, unless that hangs. */
export function oneAtATime(check: () => Promise<void>): () => Promise<void> {
  let beganAt: number | null = null;
  return async () => {
    if (beganAt !== null && monotonic() - beganAt < ANSWER_MS) return;
    const at = monotonic();
    beganAt = at;
    await check().finally(() => {
      if (beganAt === at) beganAt = null;
    });
  };
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
