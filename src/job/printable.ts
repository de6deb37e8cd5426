/** Text from outside, before it stands in an answer, on a terminal or in a log. */
import type { Json } from './json.ts';

/** Control, zero-width and direction characters, and the selectors that hide data behind a letter. */
const UNSEEN = /[\p{Cc}\p{Cf}\u2028\u2029]|[\u{E0100}-\u{E01EF}]/gu;

/** Text from outside, cut and without characters that nobody sees. */
export function printable(text: string, charactersMax: number): string {
  const clean = text.toWellFormed().replaceAll(UNSEEN, '\u{FFFD}');
  return clean.length > charactersMax ? `${clean.slice(0, charactersMax - 1)}…` : clean;
}

/**
 * A name from outside, if it is one: an error repeats no other text of its caller, and no token that
 * came to stand where a name belongs.
 */
export function shownName(name: string): string {
  const isName = /^[\p{L}\p{N}_.$-]{1,80}$/u.test(name) && !/mpt_(live|test)_/.test(name);
  return isName ? name : '(a name that is not shown)';
}

/** A paragraph as one printable line. */
export function printableLine(text: string, charactersMax: number): string {
  // Cut first, so that a text of megabytes costs nothing.
  return printable(
    text.slice(0, 2 * charactersMax).replaceAll(/[^\S\u2028\u2029]+/g, ' '),
    charactersMax,
  );
}

/** A value with each of its texts as a printable line. */
export function printableJson(value: Json, charactersMax: number): Json {
  if (typeof value === 'string') return printableLine(value, charactersMax);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((one: Json) => printableJson(one, charactersMax));
  const members = Object.entries(value).map(([key, member]) => [
    printableLine(key, charactersMax),
    printableJson(member, charactersMax),
  ]);
  return Object.fromEntries(members) as Json;
}
