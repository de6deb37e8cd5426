/** What the checks do again and again: make a plan, submit a batch, poll it, call every tool. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import {
  callTool,
  fieldsOf,
  isFields,
  listTools,
  type Fields,
  type Peer,
  type RequestOptions,
  type Tool,
  type ToolAnswer,
} from './wire.ts';

export const SUBMIT = 'bulk_generate_access_codes';
export const POLL = 'get_job_status';
export const PREVIEW = 'preview_access_code_cost';

export const JOB_ID = /^mjb_[0-7][0-9A-HJKMNP-TV-Z]{25}$/;
export const BATCH_ID = /^btc_[0-7][0-9A-HJKMNP-TV-Z]{25}$/;
export const WIRE_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

/** A well-formed id that no job has. */
export const UNKNOWN_JOB = 'mjb_01HX0000000000000000000000';

/** Soon at first, since most jobs take no time, then less often. */
const FIRST_POLL_MS = 10;
const POLL_EVERY_MS_MAX = 250;

/** The object in `data` of a success. */
export function dataOf(answer: ToolAnswer): Fields {
  assert.equal(answer.isError, false, `an error was answered: ${answer.text}`);
  assert.ok(isFields(answer.body['data']), `the answer has no data object: ${answer.text}`);
  return answer.body['data'];
}

/** A string in an object. */
export function textAt(fields: Fields, key: string): string {
  const value = fields[key];
  assert.ok(typeof value === 'string', `${key} is no string in ${JSON.stringify(fields)}`);
  return value;
}

export const statusOf = (data: Fields): string => textAt(data, 'status');

export const isFinal = (data: Fields): boolean =>
  data['status'] === 'completed' || data['status'] === 'failed';

/** A fresh project with one plan. Returns the id of the plan. */
export async function makePlan(peer: Peer): Promise<string> {
  const project = await callTool(peer, 'create_project', { name: uniqueName() });
  const projectId = textAt(dataOf(project), 'id');
  const plan = await callTool(peer, 'create_plan', planArguments(projectId));
  return textAt(dataOf(plan), 'id');
}

const uniqueName = (): string => `Contract ${randomUUID()}`;

const planArguments = (projectId: string): Fields => ({
  project_id: projectId,
  name: uniqueName(),
  price: '29.00',
  currency: 'USD',
  billing_cycle: 'months',
  billing_cycle_count: 1,
});

const batchArguments = (planId: string, quantity: number): Fields => ({
  plan_id: planId,
  quantity,
  export_type: 'file',
  expiry_preset: 'no_expiry',
  consent_to_overage: true,
});

/** Ask for a batch of codes. */
export async function submit(
  peer: Peer,
  planId: string,
  quantity: number,
  options: RequestOptions = {},
): Promise<ToolAnswer> {
  return callTool(peer, SUBMIT, batchArguments(planId, quantity), options);
}

/** Ask for a batch of a fresh plan. Returns the id of the job. */
export async function submitJob(peer: Peer, quantity = 3): Promise<string> {
  return textAt(dataOf(await submit(peer, await makePlan(peer), quantity)), 'job_id');
}

export async function poll(
  peer: Peer,
  jobId: string,
  options: RequestOptions = {},
): Promise<Fields> {
  return dataOf(await callTool(peer, POLL, { job_id: jobId }, options));
}

/** Poll until the job has ended. Returns the last `data`. */
export async function untilFinal(peer: Peer, jobId: string, withinMs = 50_000): Promise<Fields> {
  let giveUpAt = performance.now() + withinMs;
  for (let pauseMs = FIRST_POLL_MS; ; pauseMs = Math.min(pauseMs * 1.5, POLL_EVERY_MS_MAX)) {
    const answer = await callTool(peer, POLL, { job_id: jobId });
    const data = dataOf(answer);
    if (isFinal(data)) return data;
    giveUpAt += answer.waitedMs;
    assert.ok(
      performance.now() < giveUpAt,
      `${jobId} has not ended within ${withinMs} ms: ${JSON.stringify(data)}`,
    );
    await pause(pauseMs);
  }
}

/** A batch that has completed: what its last poll read. */
export async function completedJob(peer: Peer, quantity = 3): Promise<Fields> {
  const data = await untilFinal(peer, await submitJob(peer, quantity));
  assert.equal(data['status'], 'completed', JSON.stringify(data));
  return data;
}

/** How many codes of a plan exist. */
export async function codesOf(peer: Peer, planId: string): Promise<number> {
  const { body, text } = await callTool(peer, 'list_access_codes', { plan_id: planId });
  const total = fieldsOf(body, 'meta')['total'];
  assert.ok(typeof total === 'number', `list_access_codes says no total: ${text}`);
  return total;
}

/** One of the codes of a finished batch, from its export; undefined when there is none. */
async function exportedCode(peer: Peer, job: Fields): Promise<string | undefined> {
  const url = fieldsOf(job, 'result')['download_url'];
  if (typeof url !== 'string') return undefined;
  const response = await fetch(url, { headers: { Authorization: `Bearer ${peer.token}` } });
  const text = await response.text();
  return response.ok ? /\b[0-9A-HJKMNP-TV-Z]{16}\b/.exec(text)?.[0] : undefined;
}

/** One call of one tool. */
export interface Called {
  readonly tool: Tool;
  /** Whether the arguments were ones that the tool has to accept. */
  readonly valid: boolean;
  readonly answer: ToolAnswer;
}

export interface EveryTool {
  readonly called: readonly Called[];
  /** The job that tools which take a `job_id` were called with. */
  readonly jobId: string;
}

/**
 * Call each listed tool once, with arguments made up from the names of its required properties. A
 * tool that requires something unheard of is called without arguments, which it has to refuse.
 */
export async function callEveryTool(
  peer: Peer,
  options: RequestOptions & { readonly quantity?: number } = {},
): Promise<EveryTool> {
  const planId = await makePlan(peer);
  const submitted = dataOf(await submit(peer, planId, 2));
  const job = await untilFinal(peer, textAt(submitted, 'job_id'));
  const project = await callTool(peer, 'create_project', { name: uniqueName() });
  const values: Fields = {
    ...planArguments(textAt(dataOf(project), 'id')),
    ...batchArguments(planId, options.quantity ?? 1),
    job_id: job['job_id'],
    code: await exportedCode(peer, job),
    subscriber_id: `usr_${randomUUID()}`,
  };
  const called: Called[] = [];
  for (const tool of await listTools(peer)) {
    const args = argumentsFor(tool, values);
    const answer = await callTool(peer, tool.name, args ?? {}, options);
    called.push({ tool, valid: args !== null, answer });
  }
  return { called, jobId: textAt(job, 'job_id') };
}

function argumentsFor(tool: Tool, values: Fields): Fields | null {
  const required = tool.inputSchema['required'];
  const names = new Set(Array.isArray(required) ? (required as string[]) : []);
  if (tool.name === SUBMIT) names.add('consent_to_overage');
  const args = Object.fromEntries([...names].map((name) => [name, values[name]]));
  return Object.values(args).includes(undefined) ? null : args;
}

/** Every value under a key that the test accepts, at any depth. */
export function findAll(value: unknown, wanted: (key: string) => boolean): unknown[] {
  const found: unknown[] = [];
  if (typeof value !== 'object' || value === null) return found;
  for (const [key, inner] of Object.entries(value)) {
    if (wanted(key)) found.push(inner);
    found.push(...findAll(inner, wanted));
  }
  return found;
}
