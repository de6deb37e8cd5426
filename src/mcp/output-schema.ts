/**
 * What `tools/list` says of the answers of an asynchronous tool: the handle, or, where the client
 * speaks MCP Tasks, the result itself, or the link to one that is too long. Errors are added as they are to every tool.
 */
import type { AnyDefinition } from '../job/definition.ts';
import type { JsonSchema } from '../job/schema.ts';
import { advertise, compact, open, type Advertised } from './advertise.ts';
import { object, text } from './answer-schemas.ts';

/** In the place of a result. */
const LINKED = object({ data: object({ job_id: text, result_uri: text }) });

/** @param handle schema of `data` in the answer to a submission */
export function submissionOutput(definition: AnyDefinition, handle: JsonSchema): Advertised {
  // What `view` adds to the result is not known before.
  const { $defs, ...result } = open(compact(definition.outputJson));
  return advertise({
    type: 'object',
    anyOf: [object({ data: handle }), object({ data: result }), LINKED],
    ...($defs !== undefined && { $defs }),
  });
}
