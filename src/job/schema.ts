/**
 * Schemas at the door: any Standard Schema (https://standardschema.dev) that can also say what it
 * is as JSON Schema, so that one definition validates, types and advertises.
 */
import type { StandardJSONSchemaV1, StandardSchemaV1 } from '@standard-schema/spec';
import { JobError } from './errors.ts';
import type { Json } from './json.ts';
import { printable, shownName } from './printable.ts';

export type Schema<I = unknown, O = I> = {
  readonly '~standard': StandardSchemaV1.Props<I, O> & StandardJSONSchemaV1.Props<I, O>;
};
export type InferInput<S extends Schema> = StandardSchemaV1.InferInput<S>;
export type InferOutput<S extends Schema> = StandardSchemaV1.InferOutput<S>;
export type JsonSchema = { readonly [key: string]: Json };

/**
 * The JSON Schema of a schema; its root is an object, and unknown members are refused unless the
 * schema says otherwise.
 *
 * @throws TypeError with the fix, when the schema cannot say what it is
 */
export function jsonSchemaOf(schema: Schema, side: 'input' | 'output', what: string): JsonSchema {
  const convert = schema?.['~standard']?.jsonSchema?.[side];
  if (typeof convert !== 'function') {
    throw new TypeError(
      `${what} has no JSON Schema. Use a Standard Schema that can make one (zod 4.2 or later, ArkType, Valibot through @valibot/to-json-schema).`,
    );
  }
  const { $schema, ...json } = convert({ target: 'draft-2020-12' }) as Record<string, Json>;
  if (json['type'] !== undefined && json['type'] !== 'object') {
    throw new TypeError(
      `${what} describes ${JSON.stringify(json['type'])}. Wrap it in an object schema.`,
    );
  }
  const closed = side === 'input' && isPlainObject(json) ? { additionalProperties: false } : {};
  // Libraries add the dialect to every schema; only one written by hand says it on purpose.
  const byHand = schema['~standard'].vendor === 'mcp' && $schema !== undefined && { $schema };
  return { ...byHand, type: 'object', ...closed, ...json };
}

/** An object schema that lists its members itself, so that a stranger among them can be named. */
function isPlainObject(json: Record<string, Json>): boolean {
  return !['anyOf', 'oneOf', 'allOf', '$ref', 'patternProperties'].some((key) => key in json);
}

/**
 * Parse what a caller sent.
 *
 * @throws JobError VALIDATION_FAILED with every problem under the path of its argument
 */
export async function parseInput<S extends Schema>(
  schema: S,
  json: JsonSchema,
  value: unknown,
): Promise<InferOutput<S>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid({ arguments: ['must be an object'] });
  }
  const parsed = await schema['~standard'].validate(value);
  const fields: Record<string, string[]> = {};
  for (const key of strangers(json, value)) add(fields, key, unknownField(json, key));
  for (const issue of parsed.issues ?? []) {
    if ('keys' in issue && Array.isArray(issue.keys)) {
      for (const key of issue.keys.slice(0, NAMED_MAX)) {
        const path = pathOf([...(issue.path ?? []), String(key)]);
        if (!Object.hasOwn(fields, path)) add(fields, path, 'is not a known field');
      }
    } else {
      const path = pathOf(issue.path ?? []);
      add(fields, path, isMissing(json, value, path) ? 'is required' : issue.message);
    }
  }
  if (Object.keys(fields).length > 0) throw invalid(fields);
  return (parsed as { value: InferOutput<S> }).value;
}

/** Libraries say of a missing member that it is "undefined", which means nothing to a caller. */
function isMissing(json: JsonSchema, value: object, name: string): boolean {
  const { required } = json;
  return Array.isArray(required) && required.includes(name) && !Object.hasOwn(value, name);
}

function invalid(fields: Record<string, readonly string[]>): JobError {
  const [first] = Object.entries(fields);
  const message = first ? `The arguments are not valid: ${first[0]}: ${first[1][0]}.` : undefined;
  return new JobError('VALIDATION_FAILED', { ...(message && { message }), fields });
}

function strangers(json: JsonSchema, value: object): string[] {
  if (json['additionalProperties'] !== false) return [];
  const known = (json['properties'] ?? {}) as object;
  return Object.keys(value)
    .filter((key) => !Object.hasOwn(known, key))
    .slice(0, NAMED_MAX);
}

function unknownField(json: JsonSchema, key: string): string {
  const near = nearest(key, Object.keys((json['properties'] ?? {}) as object));
  return near ? `is not a known field; did you mean ${near}?` : 'is not a known field';
}

/** How many wrong members are named. */
const NAMED_MAX = 20;

function add(fields: Record<string, string[]>, path: string, problem: string): void {
  const shown = shownName(path || 'arguments');
  const problems = (Object.hasOwn(fields, shown) ? fields[shown] : undefined) ?? [];
  if (problems.length < 5 && Object.keys(fields).length < NAMED_MAX) {
    problems.push(printable(problem, 200));
    Object.defineProperty(fields, shown, { value: problems, enumerable: true, configurable: true });
  }
}

function pathOf(path: readonly unknown[]): string {
  return path
    .map((part) => (typeof part === 'object' && part !== null && 'key' in part ? part.key : part))
    .map(String)
    .join('.');
}

/** The known name that a mistyped one most likely meant, or null. */
export function nearest(name: string, known: readonly string[]): string | null {
  if (name.length > 60) return null;
  const ranked = known
    .map((candidate) => ({ candidate, distance: editDistance(name, candidate) }))
    .sort((a, b) => a.distance - b.distance);
  const [best] = ranked;
  return best && best.distance <= Math.max(2, Math.floor(name.length / 4)) ? best.candidate : null;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      next.push(Math.min((next[j - 1] ?? 0) + 1, (row[j] ?? 0) + 1, (row[j - 1] ?? 0) + same));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
