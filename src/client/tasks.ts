/** Tasks of MCP, in both revisions that have them, as the states of a job. */
import type { CallToolResult, Client } from '@modelcontextprotocol/client';
import type { Json } from '../job/json.ts';
import { errorIn, isBody, plainAnswer, toolError, type Body, type JobState } from './answers.ts';
import { DECLARING } from './task-seam.ts';
import type { Limits } from './wait.ts';

/** Which tasks a connection has: the extension of 2026-07-28, or those of 2025-11-25. */
export type TaskRevision = '2026' | '2025';

/** The part of a client that speaks of tasks. */
export type TaskCaller = Pick<Client, 'request'>;

/** An answer that is taken as it came: what is in it is read, not believed. */
const ANYTHING = {
  '~standard': {
    version: 1,
    vendor: 'mcp-async-jobs',
    validate: (value: unknown) => ({ value }),
  },
} as const;

/** Ask for a task as it is now. */
export async function lookAtTask(
  client: TaskCaller,
  { taskId, revision }: { readonly taskId: string; readonly revision: TaskRevision },
  limits: Limits,
): Promise<JobState> {
  const task = await send(client, 'tasks/get', { taskId, revision }, limits);
  const isOver = task['status'] === 'completed' || task['status'] === 'failed';
  if (revision === '2026' || !isOver) return stateOfTask(task);
  // In this revision the result is asked for apart, and a failed task may have one as well.
  return stateOfTask({
    ...task,
    result: await send(client, 'tasks/result', { taskId, revision }, limits),
  });
}

export async function cancelTask(
  client: TaskCaller,
  task: { readonly taskId: string; readonly revision: TaskRevision },
  limits: Limits,
): Promise<void> {
  await send(client, 'tasks/cancel', task, limits);
}

async function send(
  client: TaskCaller,
  method: string,
  { taskId, revision }: { readonly taskId: string; readonly revision: TaskRevision },
  limits: Limits,
): Promise<Body> {
  const params = { taskId, ...(revision === '2026' && { _meta: DECLARING }) };
  const answer: unknown = await client.request({ method, params }, ANYTHING, limits);
  return isBody(answer) ? answer : {};
}

/** A task as `get_job_status` would show it. */
export function stateOfTask(task: Body): JobState {
  const { taskId } = task;
  const about = {
    job_id: typeof taskId === 'string' ? taskId : '',
    enqueued_at: task['createdAt'] ?? null,
    poll_after_ms: task['pollIntervalMs'] ?? task['pollInterval'] ?? null,
    ...progressOfTask(task),
  };
  switch (task['status']) {
    case 'completed':
    case 'failed':
      return { ...about, ...outcomeOf(task) };
    case 'cancelled':
      return { ...about, status: 'failed', error: { code: 'JOB_CANCELLED' } };
    default: {
      const questions = task['inputRequests'];
      return {
        ...about,
        status: 'running',
        ...(isBody(questions) && { input_requests: questions }),
      };
    }
  }
}

type Linked = Pick<JobState, 'result' | 'result_uri' | 'result_url'>;

/** The result, or, where it is too long for an answer, where to read it. */
function resultIn(answer: Json): Linked {
  if (!isBody(answer) || answer['result'] !== null) return { result: answer };
  const { job_id: id, result_uri, result_url } = answer as unknown as JobState;
  if (typeof id !== 'string' || typeof result_uri !== 'string') return { result: answer };
  return { result: null, result_uri, ...(result_url !== undefined && { result_url }) };
}

function outcomeOf(task: Body): Pick<JobState, 'status' | 'error'> & Linked {
  const { result, error, statusMessage } = task;
  if (isBody(result)) {
    const answer = { content: [], ...result } as unknown as CallToolResult;
    if (answer.isError !== true) return { status: 'completed', ...resultIn(plainAnswer(answer)) };
    const { code, message, remediation, fields, context } = toolError('task', answer);
    return {
      status: 'failed',
      error: { code, message, remediation, ...(fields && { fields }), context },
    };
  }
  if (task['status'] === 'completed') return { status: 'completed', result: null };
  const told =
    isBody(error) && isBody(error['data']) ? (error['data']['error'] ?? error['data']) : null;
  if (errorIn(told) !== null) return { status: 'failed', error: told };
  const message = isBody(error) ? error['message'] : statusMessage;
  return {
    status: 'failed',
    error: { code: 'JOB_FAILED', ...(typeof message === 'string' && { message }) },
  };
}

/** What a server says of progress beside the task's own fields goes before its message. */
function progressOfTask({ _meta: meta, statusMessage }: Body): {
  progress?: Json;
  eta_seconds?: Json;
} {
  const told = isBody(meta)
    ? Object.entries(meta).find(([key, value]) => key.endsWith('/progress') && isBody(value))?.[1]
    : undefined;
  if (isBody(told)) return { progress: told, eta_seconds: told['eta_seconds'] ?? null };
  return typeof statusMessage === 'string' ? { progress: { message: statusMessage } } : {};
}
