/**
 * Where a caller may put an idempotency key: in the arguments, in a header of the HTTP request, or
 * in `_meta` of the call. One is enough; several have to agree.
 */
import type { ServerContext } from '@modelcontextprotocol/server';
import { RESERVED_ARGUMENT } from '../job/definition.ts';
import { JobError } from '../job/errors.ts';
import type { Json } from '../job/json.ts';
import type { JsonSchema } from '../job/schema.ts';

const HEADER = 'idempotency-key';
const META = 'mcp-async-jobs/idempotency-key';
/** Visible ASCII, 1..255 characters. */
const FORM = /^[\x21-\x7e]{1,255}$/;

const ADVERTISED: JsonSchema = {
  type: 'string',
  pattern: '^[!-~]{1,255}$',
  description:
    'Of your own: the same key and arguments give the first job again, for 24 hours by default.',
};

/** The input schema of an asynchronous tool with the argument that every one of them takes. */
export function withIdempotencyKey(json: JsonSchema): JsonSchema {
  const branches = ['anyOf', 'oneOf', 'allOf'].filter((word) => Array.isArray(json[word]));
  const closed = branches.map((word) => [word, (json[word] as JsonSchema[]).map(whereClosed)]);
  return {
    ...json,
    ...(Object.fromEntries(closed) as JsonSchema),
    properties: { ...(json['properties'] as object), [RESERVED_ARGUMENT]: ADVERTISED },
  };
}

/** A branch that refuses members it does not list has to list the argument itself. */
function whereClosed(branch: JsonSchema): JsonSchema {
  return branch['additionalProperties'] === false ? withIdempotencyKey(branch) : branch;
}

export interface Keyed {
  /** The arguments without the key. */
  readonly args: unknown;
  readonly key: string | null;
}

/**
 * Take the key out of a call.
 *
 * @throws JobError VALIDATION_FAILED when a key has the wrong form, or two disagree
 */
export function takeIdempotencyKey(given: unknown, context: ServerContext): Keyed {
  const { args, inArguments } = split(given);
  const found = {
    [RESERVED_ARGUMENT]: inArguments,
    'header Idempotency-Key': context.http?.req?.headers.get(HEADER) ?? undefined,
    [`_meta.${META}`]: context.mcpReq._meta?.[META],
  };
  const sent = Object.entries(found).filter(([, key]) => key !== undefined);
  const wrong = sent.filter(([, key]) => typeof key !== 'string' || !FORM.test(key));
  if (wrong.length > 0) {
    throw invalid(wrong, 'must be 1..255 visible ASCII characters, without spaces');
  }
  if (new Set(sent.map(([, key]) => key)).size > 1) {
    throw invalid(sent, 'disagrees with the other idempotency keys of this call');
  }
  return { args, key: (sent[0]?.[1] as string | undefined) ?? null };
}

function split(given: unknown): { readonly args: unknown; readonly inArguments: unknown } {
  if (typeof given !== 'object' || given === null || !Object.hasOwn(given, RESERVED_ARGUMENT)) {
    return { args: given, inArguments: undefined };
  }
  const { [RESERVED_ARGUMENT]: inArguments, ...args } = given as Record<string, Json>;
  return { args, inArguments };
}

function invalid(places: readonly (readonly [string, unknown])[], problem: string): JobError {
  const names = places.map(([place]) => place);
  return new JobError('VALIDATION_FAILED', {
    message: `The idempotency key is not valid: ${names.join(', ')}: ${problem}.`,
    fields: Object.fromEntries(names.map((name) => [name, [problem]])),
  });
}
