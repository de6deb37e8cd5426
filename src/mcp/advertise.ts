/**
 * What `tools/list` says of a tool's schemas. They are converted to JSON Schema once per process,
 * and advertised through schemas that accept everything, so that our own checks answer.
 */
import type { StandardSchemaWithJSON } from '@modelcontextprotocol/server';
import { z } from 'zod';
import type { Json } from '../job/json.ts';
import { jsonSchemaOf, type JsonSchema, type Schema } from '../job/schema.ts';

/** Says what is expected and accepts everything. Who registers a tool with one checks by himself. */
export class Advertised implements StandardSchemaWithJSON {
  readonly '~standard': StandardSchemaWithJSON['~standard'];
  readonly json: JsonSchema;

  constructor(json: JsonSchema) {
    this.json = json;
    const give = () => json;
    this['~standard'] = {
      version: 1,
      vendor: 'mcp-async-jobs',
      validate: (value) => ({ value }),
      jsonSchema: { input: give, output: give },
    };
  }
}

export function advertise(json: JsonSchema): Advertised {
  return new Advertised(json);
}

/** A schema, or the SDK's shorthand for one: a record of zod fields. */
export type GivenSchema = object;

export interface Input {
  readonly schema: Schema;
  readonly advertised: Advertised;
}

const inputs = new WeakMap<GivenSchema, Input>();
const outputs = new WeakMap<GivenSchema, Advertised>();
const NOTHING = z.strictObject({});

/** How the arguments of a tool are checked, and what is said of them. */
export function inputOf(given: GivenSchema | undefined, tool: string): Input {
  const source = given ?? NOTHING;
  let input = inputs.get(source);
  if (input === undefined) {
    const schema = asSchema(source);
    const advertised =
      schema instanceof Advertised
        ? schema
        : advertise(compact(jsonSchemaOf(schema, 'input', `The input of "${tool}"`)));
    input = { schema, advertised };
    inputs.set(source, input);
  }
  return input;
}

/** What is said of a tool's answers: what its author says, or the standard error envelope. */
export function outputOf(given: GivenSchema, tool: string): Advertised {
  let advertised = outputs.get(given);
  if (advertised === undefined) {
    const json = jsonSchemaOf(asSchema(given), 'output', `The output of "${tool}"`);
    advertised = advertise(withErrors(open(compact(json))));
    outputs.set(given, advertised);
  }
  return advertised;
}

const UNBOUNDED: Readonly<Record<string, number>> = {
  minimum: Number.MIN_SAFE_INTEGER,
  maximum: Number.MAX_SAFE_INTEGER,
};

/**
 * The same schema in fewer words: without what schema libraries add to every whole number, record
 * and loose object.
 */
export function compact<T extends Json>(json: T): T {
  if (Array.isArray(json)) return json.map((one: Json) => compact(one)) as Json as T;
  if (typeof json !== 'object' || json === null) return json;
  const kept = Object.entries(json as JsonSchema).filter(
    ([word, value]) => UNBOUNDED[word] !== value && !isEmptyWord(word, value),
  );
  return Object.fromEntries(kept.map(([word, value]) => [word, compact(value)])) as T;
}

function isEmptyWord(word: string, value: Json): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const says = JSON.stringify(value);
  if (word === 'propertyNames') return says === '{"type":"string"}';
  return word === 'additionalProperties' && says === '{}';
}

/** An answer promises what is there, not what is not. */
export function open(json: JsonSchema): JsonSchema {
  const { additionalProperties: _, ...rest } = json;
  return rest;
}

const ERROR: JsonSchema = { type: 'object' };

/** Clients hold error answers to the advertised schema too. */
function withErrors(json: JsonSchema): JsonSchema {
  const { $defs, ...whole } = json;
  const { properties, required, ...rest } = whole;
  if (!Array.isArray(required) || ['anyOf', 'oneOf', 'allOf', '$ref'].some((key) => key in rest)) {
    const error = { type: 'object', properties: { error: ERROR }, required: ['error'] };
    if (Array.isArray(rest['anyOf'])) {
      return { ...rest, anyOf: [...rest['anyOf'], error], ...($defs !== undefined && { $defs }) };
    }
    return { type: 'object', anyOf: [whole, error], ...($defs !== undefined && { $defs }) };
  }
  return {
    ...rest,
    properties: { ...(properties as Record<string, JsonSchema> | undefined), error: ERROR },
    oneOf: [{ required }, { required: ['error'] }],
    ...($defs !== undefined && { $defs }),
  };
}

function asSchema(given: GivenSchema): Schema {
  return '~standard' in given ? (given as Schema) : z.object(given as z.core.$ZodShape);
}
