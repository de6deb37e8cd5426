/** Text from outside, before it stands in an answer, on a terminal or in a log. */
import type { Json } from './json.ts';

/** Control, zero-width and direction characters, and the selectors that hide data behind a letter. */
const UNSEEN = /[\p{Cc}\p{Cf}\u2028\u2029\u{E0100}-\u{E01EF}]/gu;

/** Text from outside, cut and without characters that nobody sees. */
export function printable(text: string, charactersMax: number): string {
  const clean = text.toWellFormed().replaceAll(UNSEEN, '\u{FFFD}');
  return clean.length > charactersMax ? `${clean.slice(0, charactersMax - 1)}…` : clean;
}

/** The same for a paragraph: its lines become one. */
export function printableLine(text: string, charactersMax: number): string {
  // Cut first, so that a text of megabytes costs nothing.
  return printable(
    text.slice(0, 2 * charactersMax).replaceAll(/[^\S\u2028\u2029]+/g, ' '),
    charactersMax,
  );
}

/** The same for every text in a value. */
export function printableJson(value: Json, charactersMax: number): Json {
  if (typeof value === 'string') return printableLine(value, charactersMax);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((one: Json) => printableJson(one, charactersMax));
  const members = Object.entries(value).map(([key, member]) => [
    printableLine(key, charactersMax),
    printableJson(member as Json, charactersMax),
  ]);
  return Object.fromEntries(members) as Json;
}
