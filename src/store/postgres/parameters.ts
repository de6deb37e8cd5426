/**
 * From `:name` to `$1`, and from values to what PostgreSQL can keep.
 *
 * A text that applies `unnest` to a parameter is a statement over many rows: it runs once, and each
 * of its parameters is the list of that column's values, one per row:
 *
 *   INSERT INTO codes (id, batch_id) SELECT * FROM unnest(:id::text[], :batch::text[])
 *
 * Any other text runs once for each row.
 */
import type { Param } from '../../job/effects.ts';

export interface Compiled {
  readonly text: string;
  /** Names in the order of `$1`, `$2`, … */
  readonly names: readonly string[];
  readonly isManyRow: boolean;
}

/** Parameters by name. Lists are for our own statements: `ANY (:ids::text[])`. */
export type Given = Readonly<Record<string, Param | readonly string[]>>;

/** A value as it goes to the driver. */
export type Bindable = string | number | bigint | null | Uint8Array | readonly Bindable[];

/** Quoted text, quoted names, comments and casts are passed over; what is left of `:x` is a parameter. */
const TOKENS =
  /'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\/\*[\s\S]*?\*\/|\$(\w*)\$[\s\S]*?\$\1\$|::|:([A-Za-z_]\w*)/g;
const MANY = /\bunnest\s*\(\s*:[A-Za-z_]/i;
const TEXTS_MAX = 1_000;

const cache = new Map<string, Compiled>();

export function compile(text: string): Compiled {
  const known = cache.get(text);
  if (known) return known;
  const names: string[] = [];
  const numbered = text.replaceAll(TOKENS, (token: string, _tag: unknown, name?: string) => {
    if (name === undefined) return token;
    if (!names.includes(name)) names.push(name);
    return `$${names.indexOf(name) + 1}`;
  });
  const compiled = { text: numbered, names, isManyRow: MANY.test(text) };
  // Texts are fixed, so the map is small; the bound guards against a caller who builds them.
  if (cache.size > TEXTS_MAX) cache.clear();
  cache.set(text, compiled);
  return compiled;
}

/** @throws TypeError when a parameter is missing, unknown or of a type that no column has */
export function bind({ names }: Compiled, row: Given): Bindable[] {
  check(names, row);
  return names.map((name) => bindable(name, row[name]));
}

/** The same for many rows: a list per parameter. */
export function bindMany({ names }: Compiled, rows: readonly Given[]): Bindable[] {
  for (const row of rows) check(names, row);
  return names.map((name) => rows.map((row) => bindable(name, row[name])));
}

function check(names: readonly string[], row: Given): void {
  const stranger = Object.keys(row).find((key) => !names.includes(key));
  if (stranger !== undefined) {
    throw new TypeError(`the statement has no parameter :${stranger}`);
  }
}

function bindable(name: string, value: Given[string] | undefined): Bindable {
  if (value === undefined) throw new TypeError(`the parameter :${name} has no value`);
  if (value === null || value instanceof Uint8Array) return value;
  if (typeof value === 'string') return toKept(value);
  // As on every engine: there are no booleans, only 0 and 1.
  if (typeof value === 'boolean') return Number(value);
  if (typeof value === 'number' || typeof value === 'bigint') return value;
  if (Array.isArray(value)) return value.map((item: string) => bindable(name, item));
  // No data at all, and so no fault of a statement.
  throw new Error(`the parameter :${name} is a ${typeof value}, which cannot be kept`);
}

const MARK = '\uFFFF';

/**
 * PostgreSQL keeps every character but U+0000. It is written as U+FFFF (which stands for no
 * character) and a zero, and a U+FFFF itself as two of them, so that any text comes back as it was.
 */
export function toKept(text: string): string {
  const whole = text.isWellFormed() ? text : text.toWellFormed();
  if (!whole.includes('\0') && !whole.includes(MARK)) return whole;
  return whole.replaceAll(MARK, MARK + MARK).replaceAll('\0', `${MARK}0`);
}

export function fromKept(text: string): string {
  if (!text.includes(MARK)) return text;
  return text.replaceAll(/\uFFFF([0\uFFFF])/g, (_, next) => (next === '0' ? '\0' : MARK));
}
