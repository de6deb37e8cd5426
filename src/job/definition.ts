/**
 * What an author writes: one asynchronous tool, with its schemas and its handler.
 */
import type { Effect, Params, Statement } from './effects.ts';
import type { Json } from './json.ts';
import type { Logger } from './log.ts';
import { DEFAULT_BACKOFF, type Backoff } from './retry.ts';
import {
  jsonSchemaOf,
  nearest,
  type InferInput,
  type InferOutput,
  type JsonSchema,
  type Schema,
} from './schema.ts';
import type { Who } from './who.ts';

/** A result together with what is written in the same transaction. Made by `job.complete`. */
export class Completed<R> {
  readonly result: R;
  readonly effects: readonly Effect[];
  constructor(result: R, effects: readonly Effect[]) {
    this.result = result;
    this.effects = effects;
  }
}

/** A question to whoever submitted the job, as an elicitation form of MCP. */
export interface Question {
  /** What is asked, for a person. */
  readonly message: string;
  /** JSON Schema of the answer: an object of primitive members. */
  readonly requestedSchema: JsonSchema;
}

/** What came back: the content fits the requested schema when the action is `accept`. */
export interface Answered {
  readonly action: 'accept' | 'decline' | 'cancel';
  readonly content?: Readonly<Record<string, Json>>;
}

/**
 * Unwinds a handler whose job waits for answers. Catching it changes nothing: the run is over.
 */
export class Suspended extends Error {
  override readonly name = 'Suspended';
  constructor() {
    super('the job waits for answers; the handler is run again when they are there');
  }
}

/** What a handler knows of the run it is in. */
export interface JobContext<Carry = Json, Result = unknown> {
  readonly id: string;
  readonly team: string;
  readonly owner: string;
  /** Which attempt this is, from 1. Grows with faults only, not with hand-backs. */
  readonly attempt: number;
  /** What `prepare` stored for the run. */
  readonly carry: Carry;
  /** The server's `settings`, as it was started with. */
  readonly settings: unknown;
  readonly log: Logger;
  /** Aborted when the run may no longer write: cancelled, past its deadline, lease lost, shutdown. */
  readonly signal: AbortSignal;
  /** Say how far the work is. Cheap: written at most once a second. */
  readonly progress: (done: number, total?: number | null, message?: string | null) => void;
  /**
   * Ask one or several questions, each under a key that is unique for the job's life. Answers that
   * are there are returned at once; else the job waits, the worker is free, and the handler is run
   * again from its beginning when they are. What must not repeat stands after the last question.
   *
   * @throws Suspended when an answer is missing
   */
  readonly ask: <K extends string>(
    questions: Readonly<Record<K, Question>>,
  ) => Promise<Readonly<Record<K, Answered>>>;
  /** End with a result and with effects, applied in the transaction that completes the job. */
  readonly complete: (result: Result, effects: readonly Effect[]) => Completed<Result>;
}

/** What `prepare` may do: read, and refuse by throwing a `JobError`. */
export interface PrepareContext {
  readonly who: Who;
  readonly settings: unknown;
  readonly read: <P extends Params, R>(statement: Statement<P, R>, params: P) => Promise<R[]>;
  /**
   * Ask the caller before there is a job: one or several questions, each under its key. Answers
   * that came with the call are returned; else the caller is asked, calls again with its answers,
   * and `prepare` runs again from its beginning.
   *
   * @returns null when this caller cannot be asked
   * @throws Suspended when an answer is missing
   */
  readonly ask: <K extends string>(
    questions: Readonly<Record<K, Question>>,
  ) => Promise<Readonly<Record<K, Answered>> | null>;
}

export interface Prepared<Carry> {
  /** Stored with the job, given to `run`. JSON. */
  readonly carry?: Carry;
  /** Joins `data` in the answer to the submission. */
  readonly answer?: Readonly<Record<string, Json>>;
  /** Narrows who sees the job to callers without scopes or with this one. */
  readonly scope?: string;
}

export interface JobOptions<In extends Schema, Out extends Schema, Carry extends Json> {
  /** Name of the tool; 1..64 letters, digits, `_` and `-`. */
  readonly name: string;
  /** A short name for people. */
  readonly title?: string;
  /** What a model reads. How to wait for the result is added to it. */
  readonly description: string;
  /** The arguments: an object schema. */
  readonly input: In;
  /** The result: an object schema. */
  readonly output: Out;
  /** Ability that a caller needs to submit. Default none. */
  readonly ability?: string;
  /** Serve only clients that declare MCP Tasks; others get the error -32021. Default false. */
  readonly requiresTasks?: boolean;
  /** How many faults end the job. Default 3; 1..50. */
  readonly attempts?: number;
  /** Deadline of one run, in milliseconds. Default 600,000; 100..86,400,000. */
  readonly timeoutMs?: number;
  /** Runs of all teams at once, over all workers of the database; 0 is no limit. Default 0; 0..10,000. */
  readonly maxRunning?: number;
  /** Runs of each team at once, over all workers of the database; 0 is no limit. Default 0; 0..10,000. */
  readonly maxRunningPerTeam?: number;
  /** How long a question waits for its answer, in milliseconds. Default 86,400,000; 1,000..2,592,000,000. */
  readonly answerWithinMs?: number;
  /** Rest after a fault. Default 1,000 doubled up to 60,000 ms, half of it random. */
  readonly backoff?: Partial<Backoff>;
  /** Runs on the server at submission: at most 10 s, reads only. Throwing refuses the call. */
  readonly prepare?: (
    input: InferOutput<In>,
    context: PrepareContext,
  ) => Promise<Prepared<Carry> | void> | Prepared<Carry> | void;
  /**
   * The work. It may be run more than once; what must happen once belongs in the effects. Throwing
   * a `JobError` ends the job, throwing anything else is a fault and is retried.
   */
  readonly run: (
    input: InferOutput<In>,
    job: JobContext<Carry, InferInput<Out>>,
  ) =>
    | Promise<InferInput<Out> | Completed<InferInput<Out>>>
    | InferInput<Out>
    | Completed<InferInput<Out>>;
  /** Adds to the result when it is read what a worker cannot know, such as absolute links. */
  readonly view?: (
    result: InferOutput<Out>,
    context: { readonly publicUrl: string },
  ) => Readonly<Record<string, Json>>;
}

/** A definition, checked and complete. */
export interface JobDefinition<
  In extends Schema = Schema,
  Out extends Schema = Schema,
  Carry extends Json = Json,
> extends Required<
  Omit<JobOptions<In, Out, Carry>, 'title' | 'ability' | 'prepare' | 'view' | 'backoff'>
> {
  readonly title: string | null;
  readonly ability: string | null;
  readonly backoff: Backoff;
  readonly prepare: JobOptions<In, Out, Carry>['prepare'] | null;
  readonly view: JobOptions<In, Out, Carry>['view'] | null;
  readonly inputJson: JsonSchema;
  readonly outputJson: JsonSchema;
}

/** Every asynchronous tool takes this argument itself; see `src/mcp/idempotency-key.ts`. */
export const RESERVED_ARGUMENT = 'idempotency_key';

// Handlers are contravariant in their input; a list of definitions needs one type for all.
// oxlint-disable-next-line no-explicit-any
export type AnyDefinition = JobDefinition<any, any, any>;

const KNOWN = [
  'name',
  'title',
  'description',
  'input',
  'output',
  'ability',
  'requiresTasks',
  'attempts',
  'timeoutMs',
  'maxRunning',
  'maxRunningPerTeam',
  'answerWithinMs',
  'backoff',
  'prepare',
  'run',
  'view',
];

/**
 * Define an asynchronous tool.
 *
 * @throws TypeError that lists every problem of the definition, with the fix
 */
export function defineJob<In extends Schema, Out extends Schema, Carry extends Json = null>(
  options: JobOptions<In, Out, Carry>,
): JobDefinition<In, Out, Carry> {
  const problems = problemsOf(options);
  if (problems.length > 0) {
    throw new TypeError(`defineJob(${options.name}): ${problems.join(' ')}`);
  }
  const { name } = options;
  const inputJson = jsonSchemaOf(options.input, 'input', `The input of "${name}"`);
  if (Object.hasOwn((inputJson['properties'] ?? {}) as object, RESERVED_ARGUMENT)) {
    throw new TypeError(
      `defineJob(${name}): \`input\` has a member "${RESERVED_ARGUMENT}", which every asynchronous tool takes already: it makes repeated calls one job. Remove it, or rename it if it means something else.`,
    );
  }
  return Object.freeze({
    ...options,
    title: options.title ?? null,
    ability: options.ability ?? null,
    requiresTasks: options.requiresTasks ?? false,
    attempts: options.attempts ?? 3,
    timeoutMs: options.timeoutMs ?? 600_000,
    maxRunning: options.maxRunning ?? 0,
    maxRunningPerTeam: options.maxRunningPerTeam ?? 0,
    answerWithinMs: options.answerWithinMs ?? 86_400_000,
    backoff: { ...DEFAULT_BACKOFF, ...options.backoff },
    prepare: options.prepare ?? null,
    view: options.view ?? null,
    inputJson,
    outputJson: jsonSchemaOf(options.output, 'output', `The output of "${name}"`),
  });
}

function problemsOf(options: Partial<Record<keyof JobOptions<Schema, Schema, Json>, unknown>>) {
  const problems: string[] = [];
  for (const key of Object.keys(options)) {
    if (KNOWN.includes(key)) continue;
    const near = nearest(key, KNOWN);
    problems.push(`Unknown option "${key}"${near ? `; did you mean "${near}"?` : '.'}`);
  }
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(String(options.name))) {
    problems.push('`name` must be 1..64 letters, digits, "_" or "-".');
  }
  if (typeof options.description !== 'string' || options.description.trim() === '') {
    problems.push('`description` must say what the tool does.');
  }
  if (typeof options.run !== 'function') problems.push('`run` must be a function.');
  if (!['undefined', 'boolean'].includes(typeof options.requiresTasks)) {
    problems.push('`requiresTasks` must be true or false.');
  }
  outOfRange(problems, 'attempts', options.attempts, 1, 50);
  outOfRange(problems, 'timeoutMs', options.timeoutMs, 100, 86_400_000);
  outOfRange(problems, 'maxRunning', options.maxRunning, 0, 10_000);
  outOfRange(problems, 'maxRunningPerTeam', options.maxRunningPerTeam, 0, 10_000);
  outOfRange(problems, 'answerWithinMs', options.answerWithinMs, 1_000, 2_592_000_000);
  const backoff = options.backoff as Partial<Backoff> | undefined;
  outOfRange(problems, 'backoff.baseMs', backoff?.baseMs, 0, 3_600_000);
  outOfRange(problems, 'backoff.maxMs', backoff?.maxMs, 0, 3_600_000);
  return problems;
}

function outOfRange(problems: string[], name: string, value: unknown, min: number, max: number) {
  if (value === undefined) return;
  if (!Number.isInteger(value) || (value as number) < min || (value as number) > max) {
    problems.push(
      `\`${name}\` is ${JSON.stringify(value)}; it must be a whole number in ${min}..${max}.`,
    );
  }
}

/**
 * The definitions that a module exports, by name.
 *
 * @throws TypeError when there is none, or when two share a name
 */
export function definitionsOf(module: object): ReadonlyMap<string, AnyDefinition> {
  const found = new Map<string, AnyDefinition>();
  for (const value of Object.values(module)) {
    if (!isDefinition(value)) continue;
    if (found.has(value.name) && found.get(value.name) !== value) {
      throw new TypeError(`Two definitions are named "${value.name}". Rename one of them.`);
    }
    found.set(value.name, value);
  }
  if (found.size === 0) {
    throw new TypeError(
      'The jobs module exports no definition. Export what defineJob({ … }) returns.',
    );
  }
  return found;
}

function isDefinition(value: unknown): value is AnyDefinition {
  return typeof value === 'object' && value !== null && 'inputJson' in value && 'run' in value;
}
