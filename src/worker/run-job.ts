/**
 * One run of one job: from its row to the change that ends the run. Nothing is written here.
 */
import {
  Completed,
  Suspended,
  type AnyDefinition,
  type Answered,
  type JobContext,
  type Question,
} from '../job/definition.ts';
import { whyNotEffects, type Effect } from '../job/effects.ts';
import { JobError } from '../job/errors.ts';
import type { Job, Progress } from '../job/job.ts';
import { whyNotJson, type Json } from '../job/json.ts';
import type { Logger } from '../job/log.ts';
import { parseInput } from '../job/schema.ts';
import { ask, complete, fail, faulted, handBack, type Change } from '../job/transitions.ts';
import { boundedError } from './bounded-error.ts';
import { handlerLog } from './handler-log.ts';
import { boundedProgress } from './progress.ts';

/** Why a run was told to stop before its handler had ended. */
export type StopReason = 'deadline' | 'lost' | 'shutdown';

export interface RunOptions {
  readonly definition: AnyDefinition;
  readonly settings: unknown;
  readonly log: Logger;
  /** Aborted by whoever holds the run, with a `StopReason`. */
  readonly stop: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
  /** Called when the handler and the check of its result have really ended, be it after the word to stop. */
  readonly onHandlerEnd: () => void;
}

/** @returns the change that ends the run, or null when the job has moved on meanwhile */
export async function runJob(job: Job, options: RunOptions): Promise<Change | null> {
  const { definition, stop, log } = options;
  const questions = new Questions(job);
  try {
    // A schema may be slow as well, so the check of the result can be stopped and is watched over.
    const ended = callHandler(job, options, questions)
      .then((returned) => checked(definition, returned))
      .finally(options.onHandlerEnd);
    const { result, effects } = await Promise.race([orStopped(stop, ended), questions.suspended]);
    return complete(job, result, effects);
  } catch (error) {
    if (questions.open) return ask(job, questions.open, definition.answerWithinMs);
    if (stop.aborted) return stopped(job, stop.reason as StopReason, definition);
    const declared = declaredBy(error, job);
    if (declared) {
      log.info({ code: declared.error?.code }, 'the handler ended the job');
      return declared;
    }
    log.warn({ error: describe(error) }, 'the handler failed');
    return faulted(job, 'ATTEMPTS_EXHAUSTED', definition.backoff);
  }
}

function stopped(job: Job, reason: StopReason, { backoff }: AnyDefinition): Change | null {
  if (reason === 'lost') return null;
  return reason === 'deadline' ? faulted(job, 'DEADLINE_EXCEEDED', backoff) : handBack(job);
}

/** The end that a handler declares; null when it threw something else, or a `JobError` made of what is no text. */
function declaredBy(error: unknown, job: Job): Change | null {
  try {
    if (!(error instanceof JobError)) return null;
    return fail(job, boundedError(error), error.code === 'RESULT_INVALID');
  } catch {
    return null;
  }
}

async function callHandler(job: Job, options: RunOptions, questions: Questions): Promise<unknown> {
  const { definition } = options;
  const input: unknown = await parseInput(
    definition.input,
    definition.inputJson,
    JSON.parse(job.input ?? 'null'),
  );
  return await definition.run(input, contextOf(job, options, questions));
}

function contextOf(
  job: Job,
  { settings, log, stop, onProgress }: RunOptions,
  questions: Questions,
): JobContext {
  return {
    id: job.id,
    team: job.team,
    owner: job.owner,
    attempt: job.attempts + 1,
    carry: job.carry === null ? null : (JSON.parse(job.carry) as Json),
    settings,
    log: handlerLog(log),
    signal: stop,
    progress: (done, total, message) => onProgress(boundedProgress(done, total, message)),
    ask: (asked) => questions.ask(asked),
    complete: (result, effects) => new Completed(result, effects),
  };
}

/** The answers that the job has, and what its handler has asked beyond them. */
class Questions {
  readonly #answers: Readonly<Record<string, Json>>;
  readonly #suspend: (reason: Suspended) => void;
  /** Rejects when the run is over because an answer is missing. */
  readonly suspended: Promise<never>;
  open: Readonly<Record<string, Json>> | null = null;

  constructor({ answers }: Job) {
    this.#answers = answers ?? {};
    const { promise, reject } = Promise.withResolvers<never>();
    this.suspended = promise;
    this.#suspend = reject;
    promise.catch(() => {});
  }

  async ask<K extends string>(asked: Readonly<Record<K, Question>>): Promise<Record<K, Answered>> {
    const entries = Object.entries<Question>(asked);
    const missing = entries.filter(([key]) => !Object.hasOwn(this.#answers, key));
    if (missing.length > 0) {
      const why = whyNotJson(asked, 'questions');
      if (why) throw new TypeError(`A question is not JSON (${why}).`);
      this.open = JSON.parse(JSON.stringify(Object.fromEntries(missing))) as Record<string, Json>;
      const reason = new Suspended();
      this.#suspend(reason);
      throw reason;
    }
    return Object.fromEntries(
      entries.map(([key]) => [key, this.#answers[key] as unknown as Answered]),
    ) as Record<K, Answered>;
  }
}

/** The slot waits for the handler no longer than for the word to stop; what it returns later is dropped. */
function orStopped<T>(stop: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const onStop = () => reject(new Error('stopped'));
    stop.addEventListener('abort', onStop, { once: true });
    void work.then(resolve, reject).finally(() => stop.removeEventListener('abort', onStop));
  });
}

async function checked(
  definition: AnyDefinition,
  returned: unknown,
): Promise<{ result: string; effects: readonly Effect[] }> {
  const isCompleted = returned instanceof Completed;
  const value: unknown = isCompleted ? returned.result : returned;
  const why = whyNotJson(value, 'result');
  if (why) {
    throw new JobError('RESULT_INVALID', {
      message: `The result of "${definition.name}" is not JSON (${why}). Return plain objects, arrays, strings, numbers, booleans and null.`,
    });
  }
  const parsed = await definition.output['~standard'].validate(value);
  const [issue] = parsed.issues ?? [];
  if (issue) {
    throw new JobError('RESULT_INVALID', {
      message: `The result of "${definition.name}" does not fit its output schema: ${issue.message}`,
    });
  }
  const effects = isCompleted ? returned.effects : [];
  const whyNot = whyNotEffects(effects);
  if (whyNot) {
    throw new JobError('RESULT_INVALID', {
      message: `The effects of "${definition.name}" cannot be written: ${whyNot}. Give job.complete a list of statements called with rows of text, numbers, booleans, null and Uint8Array.`,
    });
  }
  return { result: JSON.stringify(value), effects: effects.map(plainEffect) };
}

/** A row may be a proxy, which cannot be sent to whoever writes it. */
function plainEffect({ name, sql, rows, expect }: Effect): Effect {
  const plain = rows.map((row) => ({ ...row }));
  return { name, sql, rows: plain, ...(expect !== undefined && { expect }) };
}

/** For the log only: the kind of an error and where it was thrown, in the operator's hands. */
export function describe(error: unknown): string {
  try {
    return String(error instanceof Error ? (error.stack ?? error.message) : error);
  } catch {
    // Anything can be thrown, also what is no text and cannot be made one.
    return 'something that cannot be described';
  }
}
