/**
 * Effects are data: named statements with parameters, which a handler returns with its result and
 * which are applied in the transaction that completes the job. No callback holds a transaction
 * open, and one shape serves every engine.
 */
export type Param = string | number | bigint | boolean | null | Uint8Array;
export type Params = Readonly<Record<string, Param>>;

/** One statement with its rows, ready to be applied. */
export interface Effect {
  readonly name: string;
  readonly sql: SqlByEngine;
  readonly rows: readonly Params[];
  /** How many rows it must change in all; any other number undoes the whole list. */
  readonly expect?: number;
}

/** The text of a statement, per engine. Parameters are written `:name`. */
export interface SqlByEngine {
  readonly sqlite?: string;
  readonly postgres?: string;
}

/** A named statement. Calling it with one row or many makes an effect. */
export interface Statement<P extends Params = Params, R = Record<string, unknown>> {
  (rows: P | readonly P[], options?: { readonly expect?: number }): Effect;
  readonly statement: string;
  readonly sql: SqlByEngine;
  /** A read that may touch more than 1,000 rows: it is kept off the thread that answers. */
  readonly heavy: boolean;
  /** Only a type: what a row of a read looks like. */
  readonly row?: R;
}

export interface StatementOptions {
  /** The same name on every engine, in words with underscores. */
  readonly name: string;
  readonly sqlite?: string;
  readonly postgres?: string;
  /** Whether a read may touch more than 1,000 rows. Default false. */
  readonly heavy?: boolean;
}

const STARTS = /^\s*(select|insert|update|delete|with)\b/i;

/**
 * Declare a statement, once, for use in effects, `store.read` and `store.write`.
 *
 * @throws TypeError when a text is missing or is not a single SELECT, INSERT, UPDATE, DELETE or WITH
 */
export function defineStatement<P extends Params, R = Record<string, unknown>>(
  options: StatementOptions,
): Statement<P, R> {
  const { name, sqlite, postgres, heavy = false } = options;
  const texts = [sqlite, postgres].filter((text) => text !== undefined);
  if (texts.length === 0) {
    throw new TypeError(
      `Statement "${name}" has no SQL. Give it \`sqlite\`, \`postgres\` or both.`,
    );
  }
  for (const text of texts) {
    if (!STARTS.test(text) || text.replace(/;\s*$/, '').includes(';')) {
      throw new TypeError(
        `Statement "${name}" must be one SELECT, INSERT, UPDATE, DELETE or WITH. Split it, one definition each.`,
      );
    }
  }
  if (texts.some((text) => /\bor\s+rollback\b/i.test(text))) {
    throw new TypeError(
      `Statement "${name}" says OR ROLLBACK, which would undo the writes of others. Use OR ABORT.`,
    );
  }
  const sql = { ...(sqlite && { sqlite }), ...(postgres && { postgres }) };
  const make = (rows: P | readonly P[], given?: { readonly expect?: number }): Effect => ({
    name,
    sql,
    rows: Array.isArray(rows) ? rows : [rows as P],
    ...(given?.expect !== undefined && { expect: given.expect }),
  });
  return Object.assign(make, { statement: name, sql, heavy });
}

/**
 * Why a list of effects cannot be kept as data, or null when it can.
 *
 * @returns a clause such as `"insert_page" gives :n a function`
 */
export function whyNotEffects(effects: readonly unknown[]): string | null {
  if (!Array.isArray(effects)) return 'they are not a list';
  for (const effect of effects) {
    if (typeof effect !== 'object' || effect === null || !('rows' in effect)) {
      return 'one is not a statement called with its rows';
    }
    const { name, rows } = effect as Effect;
    for (const [key, value] of rows.flatMap((row) => Object.entries(row))) {
      if (!isParam(value)) {
        return `"${name}" gives :${key} ${whatIs(value)}`;
      }
    }
  }
  return null;
}

function isParam(value: unknown): boolean {
  if (value === null || value instanceof Uint8Array) return true;
  return ['string', 'number', 'bigint', 'boolean'].includes(typeof value);
}

function whatIs(value: unknown): string {
  if (value === undefined) return 'undefined';
  return typeof value === 'object' && value !== null
    ? `an object (${value.constructor?.name ?? 'of no class'})`
    : `a ${typeof value}`;
}
