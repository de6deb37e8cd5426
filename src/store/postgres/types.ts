/** How columns come to us: the same JavaScript types as from every other engine. */
import pg from 'pg';
import { fromKept } from './parameters.ts';

const { builtins } = pg.types;

type Parser = (text: string) => unknown;

const PARSERS: ReadonlyMap<number, Parser> = new Map<number, Parser>([
  [builtins.INT8, Number],
  [builtins.NUMERIC, Number],
  [builtins.BOOL, (text) => (text === 't' ? 1 : 0)],
  [builtins.TEXT, fromKept],
  [builtins.VARCHAR, fromKept],
  [
    builtins.BYTEA,
    // A plain Uint8Array, not a Buffer.
    (text) => new Uint8Array(Buffer.from(text.slice(2), 'hex')),
  ],
]);

export const TYPES: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    PARSERS.get(oid) ??
    pg.types.getTypeParser(oid, format as 'text')) as typeof pg.types.getTypeParser,
};
