/** The pieces that the output schemas of the job tools are made of. */
import type { Json } from '../job/json.ts';
import type { JsonSchema } from '../job/schema.ts';

export const text = { type: 'string' };
export const textOrNull = { type: ['string', 'null'] };
export const whole = { type: 'integer' };
export const statuses = ['queued', 'running', 'completed', 'failed'] as const;

/** An object whose members are all there but the optional ones. */
export function object(
  properties: Record<string, Json>,
  optional: readonly string[] = [],
): JsonSchema {
  const required = Object.keys(properties).filter((key) => !optional.includes(key));
  return { type: 'object', properties, required };
}

export const status = { enum: statuses };

/** When and how to ask again; absent from a final job. */
export const hints = { poll_after_ms: whole, next_step: text };

/** Annotations of tools that change nothing. */
export const LOOKS = { readOnlyHint: true, openWorldHint: false };
