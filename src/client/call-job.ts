/**
 * Call a long-running tool as if it were an ordinary function: submit, wait, result.
 *
 * Works on any connected client of the official SDK (v2). The job outlives this process: keep the
 * id that `onSubmit` hands out, and `resumeJob` waits on in another one.
 */
import type { CallToolResult, Client } from '@modelcontextprotocol/client';
import { JobError } from '../job/errors.ts';
import type { Json } from '../job/json.ts';
import {
  bodyOf,
  jobFailure,
  jobIn,
  textOf,
  toolError,
  type Body,
  type JobState,
} from './answers.ts';
import { Patience, REAL_PACE, type Attempt, type Pace, type WaitOptions } from './wait.ts';

export interface CallJobOptions extends WaitOptions {
  /** Told the id as soon as there is one, and awaited, so that it can be stored before the wait. */
  readonly onSubmit?: (jobId: string) => void | Promise<void>;
}

/** The part of a client that is used. */
export type ToolCaller = Pick<Client, 'callTool'>;

/**
 * Submit a job and wait for its result, by the cadence that the server suggests.
 *
 * A submission is sent again only when the server cannot have acted on it. A synchronous tool is
 * not an error: its answer (`data` of it, where it has one) is given at once.
 *
 * @param name name of the tool
 * @param args its arguments
 * @returns the job's `result`
 * @throws JobError with the code of the failed job or of the refused call; `context.job_id` names the
 *   job. SUBMISSION_UNKNOWN when no answer came, SERVER_UNREACHABLE when the server stayed away,
 *   WAIT_TIMEOUT when `timeoutMs` is over. The reason of `signal` when it is aborted.
 */
export async function callJob<R = Body>(
  client: ToolCaller,
  name: string,
  args: Readonly<Record<string, unknown>> = {},
  options: CallJobOptions = {},
): Promise<R> {
  return (await callWith(REAL_PACE, client, { name, args, options })) as R;
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
  const { name, args, options } = call;
  const patience = new Patience(options, pace);
  const answer = await patience.call('submission', null, (limits) =>
    answerOf(client, { name, arguments: args }, limits),
  );
  const state = jobIn(bodyOf(answer));
  if (state === null) return plainAnswer(answer);
  const { job_id: jobId } = state;
  await options.onSubmit?.(jobId);
  return resultOf(await patience.untilFinal(jobId, state, lookAt(client, jobId)));
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
  { jobId, known, options }: Resumption,
): Promise<unknown> {
  const patience = new Patience(options, pace);
  return resultOf(await patience.untilFinal(jobId, known, lookAt(client, jobId)));
}

/** Wait for a job and give all of its final state, a failed one too. */
export async function finalState(
  client: ToolCaller,
  { jobId, known, options }: Resumption,
): Promise<JobState> {
  return new Patience(options, REAL_PACE).untilFinal(jobId, known, lookAt(client, jobId));
}

function lookAt(client: ToolCaller, jobId: string): Attempt<JobState> {
  return async (limits) => {
    const params = { name: 'get_job_status', arguments: { job_id: jobId } };
    const state = jobIn(bodyOf(await answerOf(client, params, limits)));
    if (state !== null) return state;
    throw new JobError('PROTOCOL_ERROR', {
      message: `get_job_status answered without a state for job ${jobId}.`,
      remediation: 'Check that the server is one that keeps jobs.',
      context: { job_id: jobId },
    });
  };
}

async function answerOf(
  client: ToolCaller,
  params: Parameters<ToolCaller['callTool']>[0],
  limits: Parameters<Attempt<unknown>>[0],
): Promise<CallToolResult> {
  const answer = await client.callTool(params, limits);
  if (answer.isError === true) throw toolError(params.name, answer);
  return answer;
}

function resultOf(state: JobState): Json {
  if (state.status === 'failed') throw jobFailure(state);
  return state.result ?? null;
}

function plainAnswer(answer: CallToolResult): Json {
  const body = bodyOf(answer);
  return body === null ? textOf(answer) : (body['data'] ?? body);
}
