/**
 * What `tools/list` says of the answers of an asynchronous tool: the handle, or, where the client
 * speaks MCP Tasks, the result itself.
 */
import type { AnyDefinition } from '../job/definition.ts';
import type { Json } from '../job/json.ts';
import type { JsonSchema } from '../job/schema.ts';
import { advertise, type Advertised } from './advertise.ts';
import { object } from './answer-schemas.ts';

/** @param handle schema of `data` in the answer to a submission */
export function submissionOutput(definition: AnyDefinition, handle: JsonSchema): Advertised {
  const { $defs, ...result } = compact(definition.outputJson) as JsonSchema;
  if (definition.view) {
    // What `view` adds is not known before.
    delete (result as Record<string, Json>)['additionalProperties'];
  }
  const error = object({ error: object({ code: { type: 'string' } }) });
  return advertise({
    type: 'object',
    anyOf: [object({ data: handle }), object({ data: result }), error],
    ...($defs !== undefined && { $defs }),
  });
}

const UNBOUNDED: Readonly<Record<string, number>> = {
  minimum: Number.MIN_SAFE_INTEGER,
  maximum: Number.MAX_SAFE_INTEGER,
};

/** Without the bounds of safe integers, which schema libraries add to every whole number. */
export function compact(json: Json): Json {
  if (Array.isArray(json)) return json.map(compact);
  if (typeof json !== 'object' || json === null) return json;
  const kept = Object.entries(json).filter(([word, value]) => UNBOUNDED[word] !== value);
  return Object.fromEntries(kept.map(([word, value]) => [word, compact(value as Json)]));
}
