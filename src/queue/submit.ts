/**
 * Take a call and keep it as a job. The row is durable when the promise resolves; whatever refuses
 * the call before that leaves nothing behind.
 */
import { now } from '../job/clock.ts';
import { Suspended, type AnyDefinition, type Prepared } from '../job/definition.ts';
import { JobError } from '../job/errors.ts';
import { newId } from '../job/ids.ts';
import type { NewJob } from '../job/job.ts';
import { whyNotJson, type Json } from '../job/json.ts';
import { parseInput } from '../job/schema.ts';
import { can, type Who } from '../job/who.ts';
import type { QueueContext } from './context.ts';
import { checkAnswers, type Answers, type Questions } from './questions.ts';
import { findFirst, insertFirst, type First } from './submit-once.ts';
import { timeout, within } from './within.ts';

/** How long `prepare` may take, in milliseconds. */
const PREPARE_MS = 10_000;
/** How long the `answer` of `prepare` may be, in bytes of JSON. */
const PREPARED_BYTES_MAX = 65_536;

export interface Call {
  readonly who: Who;
  /** The arguments as they came, unparsed. */
  readonly args: unknown;
  readonly requestId: string;
  /** What the caller has answered so far, as it came; absent when it cannot be asked. */
  readonly answers?: Readonly<Record<string, unknown>>;
  /** Idempotency key; null, or left out, makes every call a job of its own. */
  readonly key?: string | null;
}

/** `prepare` wants answers before there is a job. Nothing was kept. */
export class NeedsAnswers extends Suspended {
  readonly questions: Questions;
  /** Answers that were there already; they have to come again with the others. */
  readonly answers: Answers;

  constructor(questions: Questions, answers: Answers) {
    super();
    this.questions = questions;
    this.answers = answers;
  }
}

/** The job, what `prepare` adds to the answer, and whether a key had made it before. */
export type Submitted = First;

/**
 * Submit one call of an asynchronous tool. A replay is answered before anything could refuse what
 * was accepted once.
 *
 * @throws NeedsAnswers when `prepare` asks
 * @throws JobError TOKEN_MISSING_ABILITY, VALIDATION_FAILED, IDEMPOTENCY_CONFLICT, RATE_LIMITED (too
 *   many open jobs), TIMEOUT (`prepare` took longer than 10 s), or what `prepare` refuses with
 */
export async function submit(
  context: QueueContext,
  definition: AnyDefinition,
  call: Call,
): Promise<Submitted> {
  const { who, args, requestId } = call;
  const keyed = call.key ? { who, args, key: call.key } : null;
  if (definition.ability !== null && !can(who, definition.ability)) {
    throw new JobError('TOKEN_MISSING_ABILITY', {
      context: { required_ability: definition.ability },
    });
  }
  const first = keyed && (await findFirst(context, definition.name, keyed));
  if (first) return first;
  const input: unknown = await parseInput(definition.input, definition.inputJson, args);
  const prepared = await prepare(context, definition, { input, call });
  const createdAt = now();
  const job: NewJob = {
    id: newId('mjb', createdAt),
    tool: definition.name,
    team: who.team,
    owner: who.owner,
    scope: prepared.scope ?? null,
    // The arguments are kept as they came and parsed again at every run, so that what a schema
    // makes of them (a Date, a default) never has to survive storage.
    input: JSON.stringify(args),
    carry: prepared.carry === undefined ? null : JSON.stringify(prepared.carry),
    requestId,
    attemptsMax: definition.attempts,
    timeoutMs: definition.timeoutMs,
    createdAt,
  };
  const { answer = {} } = prepared;
  const submitted: Submitted = keyed
    ? await insertFirst(context, job, { call: keyed, answer })
    : { job: await context.store.insert(job, context.maxOutstanding), answer, isReplay: false };
  if (!submitted.isReplay) {
    context.log.info({ request_id: requestId, job_id: job.id, tool: job.tool }, 'job submitted');
  }
  return submitted;
}

async function prepare(
  context: QueueContext,
  definition: AnyDefinition,
  given: { readonly input: unknown; readonly call: Call },
): Promise<Prepared<Json>> {
  const { store, settings } = context;
  if (!definition.prepare) return {};
  const asking = new Asking(given.call.answers);
  const work = definition.prepare(given.input, {
    who: given.call.who,
    settings,
    read: (statement, params) => store.read(statement, params),
    ask: (questions) => asking.ask(questions),
  });
  let prepared: Prepared<Json>;
  try {
    prepared = (await within(work, PREPARE_MS, timeout(`Preparing "${definition.name}"`))) ?? {};
  } catch (error) {
    throw asking.missing ?? error;
  }
  // Catching it changes nothing, as in a handler.
  if (asking.missing) throw asking.missing;
  const why = whyNotKept(prepared);
  if (why === null) return prepared;
  context.log.error(
    { request_id: given.call.requestId, tool: definition.name },
    `prepare of "${definition.name}" returned ${why}`,
  );
  throw new JobError('INTERNAL_ERROR');
}

function whyNotKept(prepared: Prepared<Json>): string | null {
  for (const part of ['carry', 'answer'] as const) {
    const why = prepared[part] === undefined ? null : whyNotJson(prepared[part], part);
    if (why === null) continue;
    return `something that is not JSON ${why}. Return plain objects, arrays, strings, finite numbers, booleans and null.`;
  }
  const bytes = Buffer.byteLength(JSON.stringify(prepared.answer ?? {}));
  if (bytes <= PREPARED_BYTES_MAX) return null;
  return `an answer of ${bytes} bytes; at most ${PREPARED_BYTES_MAX} join the answer of a submission.`;
}

/** What `prepare` asks, and what came with the call. */
class Asking {
  readonly #given: Call['answers'];
  #answers: Answers = {};
  missing: NeedsAnswers | null = null;

  constructor(given: Call['answers']) {
    this.#given = given;
  }

  async ask<K extends string>(
    asked: Readonly<Record<K, Questions[string]>>,
  ): Promise<Readonly<Record<K, Answers[string]>> | null> {
    if (this.#given === undefined) return null;
    this.#answers = { ...this.#answers, ...checkAnswers(asked, this.#given) };
    const open = Object.entries(asked).filter(([key]) => !Object.hasOwn(this.#answers, key));
    if (open.length > 0) {
      this.missing = new NeedsAnswers(Object.fromEntries(open) as Questions, this.#answers);
      throw this.missing;
    }
    return this.#answers;
  }
}
