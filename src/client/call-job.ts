/**
 * Call a long-running tool as if it were an ordinary function: submit, wait, result.
 *
 * Works on any connected client of the official SDK (v2), against servers that keep jobs by tools
 * or as tasks of MCP. The job outlives this process: keep the id that `onSubmit` hands out, and
 * `resumeJob` waits on in another one.
 */
import { JobError } from '../job/errors.ts';
import { newId } from '../job/ids.ts';
import type { Json } from '../job/json.ts';
import type { InferInput, Schema } from '../job/schema.ts';
import { jobFailure, plainAnswer, readProgress, type Body, type JobState } from './answers.ts';
import { resultOf } from './result-link.ts';
import {
  argumentOf,
  cancelJob,
  lookAt,
  offerOf,
  revisionOf,
  submitTo,
  type Offer,
  type ToolCaller,
} from './surface.ts';
import { Patience, REAL_PACE, type Pace, type WaitOptions } from './wait.ts';

export interface CallJobOptions extends WaitOptions {
  /** Told the id as soon as there is one, and awaited, so that it can be stored before the wait. */
  readonly onSubmit?: (jobId: string) => void | Promise<void>;
  /**
   * Makes the call happen once however often it is made, by this process or its successor. Default
   * a fresh one for each call, where the tool takes `idempotency_key`.
   */
  readonly idempotencyKey?: string;
}

/** What caller and server share of a tool: `defineJob` takes it, and its result is one. */
export interface ToolDescription<In extends Schema = Schema, Out extends Schema = Schema> {
  readonly name: string;
  readonly input: In;
  readonly output: Out;
}

/**
 * Submit a job and wait for its result: the server holds the question where it can, else it is
 * asked by the cadence that it suggests.
 *
 * A submission is sent again only when the server cannot have acted on it, or knows it by its
 * idempotency key. A synchronous tool is not an error: its answer (`data` of it, where it has one)
 * is given at once.
 *
 * @param tool name of the tool, or what describes it, which types arguments and result
 * @param args its arguments
 * @returns the job's `result`
 * @throws JobError with the code of the failed job or of the refused call; `context.job_id` names the
 *   job. SUBMISSION_UNKNOWN when no answer came, SERVER_UNREACHABLE when the server stayed away,
 *   WAIT_TIMEOUT when `timeoutMs` is over. The reason of `signal` when it is aborted.
 */
export async function callJob<In extends Schema, Out extends Schema>(
  client: ToolCaller,
  tool: ToolDescription<In, Out>,
  args: InferInput<In>,
  options?: CallJobOptions,
): Promise<InferInput<Out>>;
export async function callJob<R = Body>(
  client: ToolCaller,
  tool: string,
  args?: Readonly<Record<string, unknown>>,
  options?: CallJobOptions,
): Promise<R>;
export async function callJob(
  client: ToolCaller,
  tool: string | ToolDescription,
  args: unknown = {},
  options: CallJobOptions = {},
): Promise<unknown> {
  const name = typeof tool === 'string' ? tool : tool.name;
  return callWith(REAL_PACE, client, { name, args: args as Call['args'], options });
}

/**
 * Wait for a job by its id: in a new process, in a new session, on another machine.
 *
 * @returns the job's `result`
 * @throws JobError as `callJob`; RESOURCE_NOT_FOUND for an id that is unknown to this token
 */
export async function resumeJob<R = Body>(
  client: ToolCaller,
  jobId: string,
  options: WaitOptions = {},
): Promise<R> {
  return (await resumeWith(REAL_PACE, client, { jobId, known: null, options })) as R;
}

interface Call {
  readonly name: string;
  readonly args: Readonly<Record<string, unknown>>;
  readonly options: CallJobOptions;
}

/** `callJob` with a time of the caller's own. */
export async function callWith(pace: Pace, client: ToolCaller, call: Call): Promise<unknown> {
  const { name, options } = call;
  const patience = new Patience(options, pace);
  const offer = await offerOf(client, patience);
  const { args, isSafe } = withKey(offer, call);
  const { answer, state, revision } = await patience.call(
    isSafe ? 'repeatable' : 'submission',
    null,
    async (limits) => submitTo(client, offer, { name, args }, limits),
  );
  if (state === null) return plainAnswer(answer);
  await options.onSubmit?.(state.job_id);
  const resumption = { jobId: state.job_id, known: state, options };
  const final = await follow(client, resumption, { patience, offer, revision });
  return outcomeOf(client, final, options);
}

/** With a key of its own, or the caller's, a submission may be sent again whatever became of it. */
function withKey(
  offer: Offer,
  { name, args, options: { idempotencyKey } }: Call,
): { readonly args: Call['args']; readonly isSafe: boolean } {
  if (Object.hasOwn(args, 'idempotency_key')) return { args, isSafe: true };
  if (argumentOf(offer, name, 'idempotency_key') !== null) {
    return { args: { ...args, idempotency_key: idempotencyKey ?? newId('key') }, isSafe: true };
  }
  if (idempotencyKey === undefined) return { args, isSafe: false };
  throw new JobError('PROTOCOL_ERROR', {
    message: `The tool "${name}" takes no idempotency_key, so the call cannot be made to happen once.`,
    remediation: 'Leave `idempotencyKey` out, or check the name of the tool.',
  });
}

interface Resumption {
  readonly jobId: string;
  /** The state as it was submitted; null to ask at once. */
  readonly known: JobState | null;
  readonly options: WaitOptions;
}

/** `resumeJob` with a time of the caller's own. */
export async function resumeWith(
  pace: Pace,
  client: ToolCaller,
  resumption: Resumption,
): Promise<unknown> {
  return outcomeOf(client, await finalState(client, resumption, pace), resumption.options);
}

/** Wait for a job and give all of its final state, a failed one too. */
export async function finalState(
  client: ToolCaller,
  resumption: Resumption,
  pace: Pace = REAL_PACE,
): Promise<JobState> {
  const patience = new Patience(resumption.options, pace);
  const offer = await offerOf(client, patience);
  return follow(client, resumption, { patience, offer, revision: revisionOf(offer) });
}

interface Following {
  readonly patience: Patience;
  readonly offer: Offer;
  readonly revision: ReturnType<typeof revisionOf>;
}

async function follow(
  client: ToolCaller,
  { jobId, known, options }: Resumption,
  { patience, offer, revision }: Following,
): Promise<JobState> {
  const { signal, cancelOnAbort = false, onProgress } = options;
  const job = { id: jobId, offer, revision };
  const tell = (told: object): void => patience.tellProgress(readProgress({ ...told }));
  try {
    signal?.throwIfAborted();
    return await patience.untilFinal(jobId, known, lookAt(client, job, onProgress && tell));
  } catch (thrown) {
    // Whether it could be cancelled or not, the caller reads why it was aborted.
    if (signal?.aborted === true && cancelOnAbort) await cancelJob(client, job).catch(() => {});
    throw thrown;
  }
}

async function outcomeOf(client: ToolCaller, state: JobState, options: WaitOptions): Promise<Json> {
  if (state.status === 'failed') throw jobFailure(state);
  return resultOf(client, state, options);
}
