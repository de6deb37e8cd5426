/**
 * What `tools/list` says of a tool's schemas. They are converted to JSON Schema once per process,
 * and advertised through schemas that accept everything, so that our own checks answer.
 */
import type { StandardSchemaWithJSON } from '@modelcontextprotocol/server';
import { z } from 'zod';
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
        : advertise(jsonSchemaOf(schema, 'input', `The input of "${tool}"`));
    input = { schema, advertised };
    inputs.set(source, input);
  }
  return input;
}

/** What is said of a tool's answers: what its author says, or the standard error envelope. */
export function outputOf(given: GivenSchema, tool: string): Advertised {
  let advertised = outputs.get(given);
  if (advertised === undefined) {
    advertised = advertise(
      withErrors(jsonSchemaOf(asSchema(given), 'output', `The output of "${tool}"`)),
    );
    outputs.set(given, advertised);
  }
  return advertised;
}

const ERROR: JsonSchema = { type: 'object', required: ['code', 'message'] };

/** Clients hold error answers to the advertised schema too. */
function withErrors(json: JsonSchema): JsonSchema {
  const { $defs, ...whole } = json;
  const { properties, required, ...rest } = whole;
  if (!Array.isArray(required) || ['anyOf', 'oneOf', 'allOf', '$ref'].some((key) => key in rest)) {
    const error = { type: 'object', properties: { error: ERROR }, required: ['error'] };
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
