/**
 * Take a call and keep it as a job. The row is durable when the promise resolves; whatever refuses
 * the call before that leaves nothing behind.
 */
import { now } from '../job/clock.ts';
import type { AnyDefinition, Prepared } from '../job/definition.ts';
import { JobError } from '../job/errors.ts';
import { newId } from '../job/ids.ts';
import type { Job } from '../job/job.ts';
import { whyNotJson, type Json } from '../job/json.ts';
import { parseInput } from '../job/schema.ts';
import { can, type Who } from '../job/who.ts';
import type { QueueContext } from './context.ts';
import { within } from './within.ts';

/** How long `prepare` may take, in milliseconds. */
const PREPARE_MS = 10_000;

export interface Call {
  readonly who: Who;
  /** The arguments as they came, unparsed. */
  readonly args: unknown;
  readonly requestId: string;
}

export interface Submitted {
  readonly job: Job;
  /** What `prepare` adds to the answer. */
  readonly answer: Readonly<Record<string, Json>>;
}

/**
 * Submit one call of an asynchronous tool.
 *
 * @throws JobError TOKEN_MISSING_ABILITY, VALIDATION_FAILED, RATE_LIMITED (too many open jobs),
 *   TIMEOUT (`prepare` took longer than 10 s), or what `prepare` refuses with
 */
export async function submit(
  context: QueueContext,
  definition: AnyDefinition,
  call: Call,
): Promise<Submitted> {
  const { who, requestId } = call;
  if (definition.ability !== null && !can(who, definition.ability)) {
    throw new JobError('TOKEN_MISSING_ABILITY', {
      context: { required_ability: definition.ability },
    });
  }
  const input: unknown = await parseInput(definition.input, definition.inputJson, call.args);
  const prepared = await prepare(context, definition, { input, call });
  const createdAt = now();
  const job = await context.store.insert(
    {
      id: newId('mjb', createdAt),
      tool: definition.name,
      team: who.team,
      owner: who.owner,
      scope: prepared.scope ?? null,
      // The arguments are kept as they came and parsed again at every run, so that what a schema
      // makes of them (a Date, a default) never has to survive storage.
      input: JSON.stringify(call.args),
      carry: prepared.carry === undefined ? null : JSON.stringify(prepared.carry),
      requestId,
      attemptsMax: definition.attempts,
      timeoutMs: definition.timeoutMs,
      createdAt,
    },
    context.maxOutstanding,
  );
  context.log.info({ request_id: requestId, job_id: job.id, tool: job.tool }, 'job submitted');
  return { job, answer: prepared.answer ?? {} };
}

async function prepare(
  context: QueueContext,
  definition: AnyDefinition,
  given: { readonly input: unknown; readonly call: Call },
): Promise<Prepared<Json>> {
  const { store, settings } = context;
  if (!definition.prepare) return {};
  const work = definition.prepare(given.input, {
    who: given.call.who,
    settings,
    read: (statement, params) => store.read(statement, params),
  });
  const prepared: Prepared<Json> =
    (await within(work, PREPARE_MS, `Preparing "${definition.name}"`)) ?? {};
  for (const part of ['carry', 'answer'] as const) {
    const why = prepared[part] === undefined ? null : whyNotJson(prepared[part], part);
    if (why === null) continue;
    context.log.error(
      { request_id: given.call.requestId, tool: definition.name },
      `prepare of "${definition.name}" returned something that is not JSON ${why}. Return plain objects, arrays, strings, finite numbers, booleans and null.`,
    );
    throw new JobError('INTERNAL_ERROR');
  }
  return prepared;
}
