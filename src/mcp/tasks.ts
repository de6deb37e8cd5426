/** A job as a task of MCP, in both generations: 2026-07-28 (SEP-2663) and 2025-11-25 (SEP-1686). */
import { RELATED_TASK_META_KEY, type CallToolResult } from '@modelcontextprotocol/server';
import { pollDelayMs } from '../job/cadence.ts';
import { now, toWireTime } from '../job/clock.ts';
import type { Question } from '../job/definition.ts';
import { toErrorBody, type ErrorBody } from '../job/errors.ts';
import type { Job } from '../job/job.ts';
import { isFinal } from '../job/states.ts';
import { openQuestions, type Questions } from '../queue/questions.ts';
import { resultOf, type Viewing } from './job-view.ts';
import { progressFacts } from './progress-view.ts';
import { isLinked, linkBlock, resultLink } from './result-link.ts';
import { taskStatus, type TaskStatus } from './status.ts';
import { toToolResult } from './tool-answer.ts';

/** In `_meta` of a task: progress as `get_job_status` has it, with `eta_seconds` where it is known. */
const PROGRESS = 'mcp-async-jobs/progress';

/** The code of JSON-RPC for what broke inside; says nothing more than `data` does. */
const INTERNAL = -32_603;

export interface RpcError {
  readonly code: number;
  readonly message: string;
  readonly data: { readonly error: ErrorBody };
}

/** What both generations say in the same words. */
interface TaskBase {
  readonly taskId: string;
  readonly status: TaskStatus;
  readonly statusMessage?: string;
  readonly createdAt: string;
  readonly lastUpdatedAt: string;
}

/** A task of 2026-07-28. */
export interface Task extends TaskBase {
  /** From its creation to its purge, in milliseconds; null until the job is final. */
  readonly ttlMs: number | null;
  readonly pollIntervalMs?: number;
}

/** A task of 2026-07-28 with what belongs to its status. */
export interface DetailedTask extends Task {
  readonly inputRequests?: Readonly<Record<string, object>>;
  readonly result?: CallToolResult & { readonly resultType: 'complete' };
  readonly error?: RpcError;
  readonly _meta?: Meta;
}

type Meta = Readonly<Record<string, object>>;

/** A task of 2025-11-25. */
export interface OldTask extends TaskBase {
  readonly ttl: number | null;
  readonly pollInterval?: number;
}

export function taskOf(job: Job, viewing: Viewing): Task {
  const { ttl, poll } = timesOf(job, viewing);
  return { ...baseOf(job), ttlMs: ttl, ...(poll !== null && { pollIntervalMs: poll }) };
}

export function detailedTaskOf(job: Job, viewing: Viewing): DetailedTask {
  const task = { ...taskOf(job, viewing), ...progressMeta(job) };
  switch (task.status) {
    case 'input_required':
      return { ...task, inputRequests: inputRequestsOf(openQuestions(job)) };
    case 'completed':
      return { ...task, result: { resultType: 'complete', ...toolResultOf(job, viewing) } };
    case 'failed':
      return { ...task, error: faultOf(job, viewing) };
    case 'working':
    case 'cancelled':
      break;
  }
  return task;
}

export function oldTaskOf(job: Job, viewing: Viewing): OldTask {
  const { ttl, poll } = timesOf(job, viewing);
  return { ...baseOf(job), ttl, ...(poll !== null && { pollInterval: poll }) };
}

/** What a task says of progress beside its own fields; not for tasks within a list or another object. */
export function progressMeta(job: Job): { readonly _meta?: Meta } {
  const { progress, eta_seconds } = progressFacts(job, now());
  if (progress === undefined) return {};
  return {
    _meta: { [PROGRESS]: { ...progress, ...(eta_seconds !== undefined && { eta_seconds }) } },
  };
}

/** The answer to `tasks/result` of 2025-11-25 for a task that is completed. */
export function oldResultOf(job: Job, viewing: Viewing): CallToolResult {
  const _meta = { [RELATED_TASK_META_KEY]: { taskId: job.id } };
  return { ...toolResultOf(job, viewing), _meta };
}

/** Why a failed or cancelled job has no result, as JSON-RPC says it. */
export function faultOf({ error }: Job, { docsUrl }: Viewing): RpcError {
  if (error === null) throw new Error('a job without an error was asked for one');
  const body = toErrorBody(error, docsUrl);
  return { code: INTERNAL, message: body.message, data: { error: body } };
}

/** Questions as elicitation forms. */
export function inputRequestsOf(questions: Questions): Record<string, object> {
  return Object.fromEntries(
    Object.entries(questions).map(([key, question]) => [
      key,
      { method: 'elicitation/create', params: elicitationOf(question) },
    ]),
  );
}

export function elicitationOf({ message, requestedSchema }: Question) {
  return { mode: 'form' as const, message, requestedSchema };
}

function toolResultOf(job: Job, viewing: Viewing): CallToolResult {
  if (job.error !== null) {
    const error = { error: toErrorBody(job.error, viewing.docsUrl) };
    return { isError: true, ...(toToolResult(error) as CallToolResult) };
  }
  const result = resultOf(job, viewing);
  if (!isLinked(job, result)) return toToolResult({ data: result }) as CallToolResult;
  const link = resultLink(job, result, viewing);
  const data = { job_id: job.id, status: 'completed', result: null, ...link };
  const answer = toToolResult({ data }) as CallToolResult;
  return { ...answer, content: [...answer.content, linkBlock(job.tool, link)] };
}

function baseOf(job: Job): TaskBase {
  const statusMessage = messageOf(job);
  return {
    taskId: job.id,
    status: taskStatus(job),
    ...(statusMessage !== null && { statusMessage }),
    createdAt: toWireTime(job.createdAt),
    lastUpdatedAt: toWireTime(job.updatedAt),
  };
}

function messageOf(job: Job): string | null {
  if (job.error !== null) return job.error.message;
  if (job.status === 'waiting') {
    const keys = Object.keys(openQuestions(job)).join(', ');
    return `Waits for answers: ${keys}. Give them here, or with the tool answer_job.`;
  }
  if (job.status === 'completed' || job.progress === null) return null;
  const { done, total, message } = job.progress;
  return message ?? (total === null ? `${done} done.` : `${done} of ${total} done.`);
}

function timesOf(job: Job, { retentionMs }: Viewing) {
  const { createdAt, completedAt } = job;
  return {
    ttl: completedAt === null ? null : completedAt + retentionMs - createdAt,
    poll: isFinal(job.status) ? null : pollDelayMs(now() - createdAt),
  };
}
