/** How columns come to us: the same JavaScript types as from every other engine. */
import { types, type CustomTypesConfig } from 'pg';
import { fromKept } from './parameters.ts';

type TypeId = Parameters<typeof types.getTypeParser>[0];
type Parser = (text: string) => unknown;

const { builtins } = types;

const PARSERS: ReadonlyMap<number, Parser> = new Map<number, Parser>([
  [builtins.INT8, Number],
  [builtins.NUMERIC, Number],
  [builtins.BOOL, (text) => (text === 't' ? 1 : 0)],
  [builtins.TEXT, fromKept],
  [builtins.VARCHAR, fromKept],
  // A plain Uint8Array, not a Buffer.
  [builtins.BYTEA, (text) => new Uint8Array(Buffer.from(text.slice(2), 'hex'))],
]);

export const TYPES: CustomTypesConfig = {
  getTypeParser: (oid: TypeId) => PARSERS.get(oid) ?? types.getTypeParser(oid),
};
