import type { Json } from './json.ts';

/**
 * JSON text in the one form of RFC 8785, so that equal values have equal texts.
 *
 * The RFC writes numbers and strings as ECMAScript does, so `JSON.stringify` is its serialiser, and
 * the order of members (by UTF-16 code units, as `sort` does) is all that is left to add.
 */
export function canonicalJson(value: Json): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (isList(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`).join(',')}}`;
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
