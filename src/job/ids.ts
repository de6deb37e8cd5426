/**
 * Identifiers and randomness, in one place.
 *
 * An id is a prefix and a ULID (https://github.com/ulid/spec): 48 bits of time, 80 random bits,
 * in Crockford's base 32. Nobody guesses one, and nothing rests on that.
 */
import { randomBytes, randomInt } from 'node:crypto';
import { now } from './clock.ts';

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** A fresh id, `<prefix>_<26 characters>`, that sorts by the given time (milliseconds). */
export function newId(prefix: string, at: number = now()): string {
  let time = '';
  for (let rest = at, i = 0; i < 10; i += 1, rest = Math.floor(rest / 32)) {
    time = `${ALPHABET[rest % 32]}${time}`;
  }
  let random = '';
  // 256 is a multiple of 32, so the low five bits of a byte are unbiased.
  for (const byte of fewBytes()) random += ALPHABET[byte & 31];
  return `${prefix}_${time}${random}`;
}

// Asking the system costs more than all the rest of an id, so it is asked for many at a time.
let pool = randomBytes(0);

function fewBytes(): Uint8Array {
  if (pool.length === 0) pool = randomBytes(16 * 256);
  const taken = pool.subarray(0, 16);
  pool = pool.subarray(16);
  return taken;
}

/** What a run holds while it may write: 128 random bits, never reused, never counted. */
export function newLease(): string {
  return randomBytes(16).toString('base64url');
}

/** A whole number in `0..belowExclusive - 1`, for jitter. */
export function randomBelow(belowExclusive: number): number {
  return randomInt(Math.max(1, Math.floor(belowExclusive)));
}
