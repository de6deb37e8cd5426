/**
 * How often a token, and an address without one, may ask. In memory, per server process, in
 * windows of a minute.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { RateLimiterMemory, type RateLimiterRes } from 'rate-limiter-flexible';
import { JobError } from '../job/errors.ts';
import type { Identify, Identity } from '../team/identify.ts';

/** Requests a minute from one address without a valid token. */
const STRANGER_PER_MINUTE = 5;
/**
 * Who has asked twice as often as he may is told so after this time, in milliseconds. One who comes
 * again at once, over however many connections, then leaves the processor to the others.
 */
const HELD_MS = 500;

export interface RateLimits {
  /**
   * Find out who sent a request, and count it.
   *
   * @returns null when the request has no valid credential
   * @throws JobError RATE_LIMITED
   */
  identify(request: Request, address: string): Promise<Identity | null>;
  /**
   * Count further calls that came in one request.
   *
   * @throws JobError RATE_LIMITED
   */
  count(identity: Identity, calls: number): Promise<void>;
}

/** @param perMinute requests of one token; 0 counts nothing and refuses nobody */
export function rateLimits(identify: Identify, perMinute: number): RateLimits {
  if (perMinute === 0) {
    return { identify: async (request) => identify(request), count: async () => {} };
  }
  const byToken = limiter('token', perMinute);
  const strangers = limiter('address', STRANGER_PER_MINUTE);

  const count = async (identity: Identity, calls: number): Promise<void> => {
    await consume(byToken, identity.token ?? `${identity.team} ${identity.owner}`, calls);
  };
  return {
    count,
    async identify(request, address) {
      // Who holds a valid token is never refused for what others send from the same address.
      const identity = await identify(request);
      if (identity === null) await consume(strangers, networkOf(address), 1);
      else await count(identity, 1);
      return identity;
    },
  };
}

function limiter(keyPrefix: string, points: number): RateLimiterMemory {
  return new RateLimiterMemory({ keyPrefix, points, duration: 60 });
}

async function consume(from: RateLimiterMemory, key: string, points: number): Promise<void> {
  try {
    await from.consume(key, points);
  } catch (refusal) {
    if (refusal instanceof Error) throw refusal;
    const { msBeforeNext, consumedPoints } = refusal as RateLimiterRes;
    if (consumedPoints > 2 * from.points) await pause(HELD_MS, undefined, { ref: false });
    const seconds = Math.max(1, Math.ceil(msBeforeNext / 1_000));
    throw new JobError('RATE_LIMITED', {
      message: `Too many requests; at most ${from.points} a minute are answered here.`,
      context: { retry_after_seconds: seconds },
    });
  }
}

/** One subscriber owns a whole /64 of IPv6 addresses, so they count as one. */
function networkOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/, '');
  if (!plain.includes(':')) return plain;
  const [head = '', tail] = plain.replace(/%.*$/, '').split('::');
  const first = head === '' ? [] : head.split(':');
  const last = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array.from({ length: Math.max(0, 8 - first.length - last.length) }, () => '0');
  return [...first, ...zeros, ...last].slice(0, 4).join(':');
}
