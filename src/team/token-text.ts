/**
 * How a token is written: `mpt_<environment>_<id>_<secret>`.
 *
 * The id is public. The secret is 190 random bits (32 base62 characters) and a checksum over
 * everything before it, so that a mistyped or truncated token is refused without a look at the
 * database and a leaked one is found by scanners with hardly a false alarm.
 */
import { createHash, randomInt } from 'node:crypto';
import { crc32 } from 'node:zlib';

export type Environment = 'live' | 'test';

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const ID_CHARACTERS = 12;
const SECRET_CHARACTERS = 32;
const CHECKSUM_CHARACTERS = 6;
const FORM = /^mpt_(live|test)_([0-9A-Za-z]{12})_([0-9A-Za-z]{38})$/;

export interface TokenText {
  readonly environment: Environment;
  readonly id: string;
}

/** A fresh token; this is the only moment at which its text exists here. */
export function makeTokenText(environment: Environment): {
  readonly id: string;
  readonly text: string;
} {
  const id = randomBase62(ID_CHARACTERS);
  const body = `mpt_${environment}_${id}_${randomBase62(SECRET_CHARACTERS)}`;
  return { id, text: body + checksum(body) };
}

/** What a text says it is, or null when it is no token of ours, complete and unaltered. */
export function parseTokenText(text: string): TokenText | null {
  const [, environment, id] = FORM.exec(text) ?? [];
  if (environment === undefined || id === undefined) return null;
  const body = text.slice(0, -CHECKSUM_CHARACTERS);
  if (text.slice(-CHECKSUM_CHARACTERS) !== checksum(body)) return null;
  return { environment: environment as Environment, id };
}

/** What is kept of a token. With 190 random bits behind it a plain hash cannot be searched. */
export function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function randomBase62(characters: number): string {
  return Array.from({ length: characters }, () => BASE62[randomInt(62)]).join('');
}

/** CRC-32 in base 62; six characters hold 35 bits. */
function checksum(body: string): string {
  let text = '';
  for (let rest = crc32(body), i = 0; i < CHECKSUM_CHARACTERS; i += 1) {
    text = `${BASE62[rest % 62]}${text}`;
    rest = Math.floor(rest / 62);
  }
  return text;
}
