/**
 * What a server offers to a caller of long-running tools: `get_job_status` beside the tools, or
 * tasks of MCP. Found out once per connection, from what the server lists.
 */
import type { CallToolResult, Client, RequestOptions } from '@modelcontextprotocol/client';
import { JobError } from '../job/errors.ts';
import { bodyOf, isBody, jobIn, toolError, type Body, type JobState } from './answers.ts';
import { unlessBroken } from './held.ts';
import { DECLARING, letTasksThrough, taskIn, TASKS_EXTENSION } from './task-seam.ts';
import {
  cancelTask,
  lookAtTask,
  stateOfTask,
  type TaskCaller,
  type TaskRevision,
} from './tasks.ts';
import type { Limits, Look, Patience } from './wait.ts';

/** The part of a client that is used; what is only in some is done without where it is missing. */
export type ToolCaller = Pick<Client, 'callTool'> &
  Partial<
    Pick<
      Client,
      | 'listTools'
      | 'request'
      | 'readResource'
      | 'transport'
      | 'onerror'
      | 'getProtocolEra'
      | 'getServerCapabilities'
    >
  >;

/** What the server offers, as it was listed. */
export interface Offer {
  /** Input schema of each tool; null where tools cannot be listed. */
  readonly tools: ReadonlyMap<string, Body> | null;
  readonly tasks: TaskRevision | null;
}

/** A job that was submitted, and how it is asked after; or the answer of an ordinary tool. */
export interface Submission {
  readonly answer: CallToolResult;
  readonly state: JobState | null;
  readonly revision: TaskRevision | null;
}

const HOLD_SECONDS_MAX = 25;
/** Whoever has aborted waits no longer than this for the cancelling. */
const CANCEL_MS = 5_000;

const offers = new WeakMap<object, Offer>();

/** What the server offers; asked for once per connection. */
export async function offerOf(client: ToolCaller, patience: Patience): Promise<Offer> {
  const connection = client.transport ?? client;
  const known = offers.get(connection);
  if (known !== undefined) return known;
  const offer = {
    tools: await patience.call('read', null, async (limits) => toolsOf(client, limits)),
    tasks: tasksOf(client),
  };
  if (client.transport !== undefined) letTasksThrough(client.transport);
  offers.set(connection, offer);
  return offer;
}

async function toolsOf(client: ToolCaller, limits: Limits): Promise<Offer['tools']> {
  if (client.listTools === undefined) return null;
  const { tools } = await client.listTools(undefined, limits);
  return new Map(tools.map(({ name, inputSchema }) => [name, inputSchema as Body]));
}

function tasksOf(client: ToolCaller): TaskRevision | null {
  const capabilities = client.getServerCapabilities?.();
  if (client.request === undefined || capabilities === undefined) return null;
  if (client.getProtocolEra?.() === 'modern') {
    return capabilities.extensions?.[TASKS_EXTENSION] === undefined ? null : '2026';
  }
  return capabilities.tasks?.requests?.tools?.call === undefined ? null : '2025';
}

/** Whether the tools of a server keep jobs by themselves. */
const hasJobTools = ({ tools }: Offer): boolean => tools === null || tools.has('get_job_status');

/** The schema of one argument of a tool, or null when the tool is not known to take it. */
export function argumentOf({ tools }: Offer, tool: string, name: string): Body | null {
  const properties = tools?.get(tool)?.['properties'];
  const found = isBody(properties) ? properties[name] : null;
  return isBody(found) ? found : null;
}

/** Call a tool once, as a task where the server keeps its jobs in no other way. */
export async function submitTo(
  client: ToolCaller,
  offer: Offer,
  call: { readonly name: string; readonly args: Readonly<Record<string, unknown>> },
  limits: Limits,
): Promise<Submission> {
  const wanted = hasJobTools(offer) ? null : offer.tasks;
  const params = {
    name: call.name,
    arguments: call.args,
    ...(wanted === '2026' && { _meta: DECLARING }),
    ...(wanted === '2025' && { task: {} }),
  };
  const answer = await client.callTool(params, limits);
  const task = taskIn(answer);
  if (task !== null) {
    // A task that is over before it is told of brings no result with it: that is asked for.
    const state = stateOfTask({ ...task, status: 'working' });
    return { answer, state, revision: offer.tasks ?? '2026' };
  }
  if (answer.isError === true) throw toolError(call.name, answer);
  return { answer, state: jobIn(bodyOf(answer)), revision: null };
}

/** How to ask after a job whose submission was not seen. */
export function revisionOf(offer: Offer): TaskRevision | null {
  return hasJobTools(offer) ? null : offer.tasks;
}

/** How a job is asked after, on the surface that it was submitted on. */
export function lookAt(
  client: ToolCaller,
  job: { readonly id: string; readonly offer: Offer; readonly revision: TaskRevision | null },
  onProgress?: (progress: { readonly [key: string]: unknown }) => void,
): Look {
  const { id, offer, revision } = job;
  const { request } = client;
  if (revision !== null && request !== undefined) {
    const tasks: TaskCaller = { request: request.bind<Client['request']>(client) };
    return {
      holdMs: 0,
      ask: async (limits) => lookAtTask(tasks, { taskId: id, revision }, limits),
    };
  }
  const wait = argumentOf(offer, 'get_job_status', 'wait_seconds');
  const most = wait?.['maximum'];
  const seconds = typeof most === 'number' ? Math.min(most, HOLD_SECONDS_MAX) : HOLD_SECONDS_MAX;
  const call = async (args: object, limits: Limits & RequestOptions): Promise<JobState> => {
    const params = { name: 'get_job_status', arguments: { job_id: id, ...args } };
    const answer = await client.callTool(params, limits);
    if (answer.isError === true) throw toolError('get_job_status', answer);
    return jobIn(bodyOf(answer)) ?? noState(id);
  };
  const told = onProgress === undefined ? {} : { onprogress: onProgress };
  return {
    holdMs: wait === null ? 0 : seconds * 1_000,
    ask: async (limits, holdMs) => {
      const held = async (mine: Limits): Promise<JobState> =>
        call({ wait_seconds: holdMs / 1_000 }, { ...mine, ...told });
      const state = holdMs > 0 ? await unlessBroken(client, limits, held) : null;
      return state ?? call({}, limits);
    },
  };
}

function noState(id: string): never {
  throw new JobError('PROTOCOL_ERROR', {
    message: `get_job_status answered without a state for job ${id}.`,
    remediation: 'Check that the server is one that keeps jobs.',
    context: { job_id: id },
  });
}

/** Cancel a job as well as the server can; an abort does not wait for one that cannot. */
export async function cancelJob(
  client: ToolCaller,
  { id, offer, revision }: Parameters<typeof lookAt>[1],
): Promise<void> {
  const limits = { timeout: CANCEL_MS };
  const { request } = client;
  if (revision !== null && request !== undefined) {
    const tasks: TaskCaller = { request: request.bind<Client['request']>(client) };
    return cancelTask(tasks, { taskId: id, revision }, limits);
  }
  if (offer.tools?.has('cancel_job') === true) {
    await client.callTool({ name: 'cancel_job', arguments: { job_id: id } }, limits);
  }
}
