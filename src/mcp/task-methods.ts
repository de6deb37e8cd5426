/**
 * The methods of MCP Tasks: `tasks/get`, `tasks/update`, `tasks/cancel` of 2026-07-28, and
 * `tasks/get`, `tasks/result`, `tasks/list`, `tasks/cancel` of 2025-11-25. Two names are the same in
 * both; the request says which it is.
 */
import { ProtocolError, ProtocolErrorCode, type ServerContext } from '@modelcontextprotocol/server';
import { JobError, toErrorBody, toFailure } from '../job/errors.ts';
import type { Job } from '../job/job.ts';
import type { Logger } from '../job/log.ts';
import { answer } from '../queue/answer.ts';
import { cancel } from '../queue/cancel.ts';
import { get, ownJobsOf } from '../queue/get.ts';
import { list } from '../queue/list.ts';
import { advertise } from './advertise.ts';
import type { Caller, JobTools } from './job-tools.ts';
import { declaresTasks, isModern, tasksRequired } from './task-capability.ts';
import { awaitResult } from './task-result.ts';
import { detailedTaskOf, oldTaskOf, progressMeta } from './tasks.ts';
import { dropMalformedAnswers } from './update-seam.ts';

type Params = Readonly<Record<string, unknown>>;
type Method = (params: Params, caller: Caller, context: ServerContext) => Promise<object>;

const ANY_PARAMS = advertise({ type: 'object' });
const PAGE = 100;

/** Put the methods on a server. Which generation is advertised is said elsewhere. */
export function registerTaskMethods(tools: JobTools): void {
  const { queue, viewing, mcp } = tools;
  dropMalformedAnswers(mcp.server);
  const on = (method: string, modern: Method | null, old: Method | null): void => {
    mcp.server.setRequestHandler(method, { params: ANY_PARAMS }, async (given, context) => {
      const serve = isModern(context) ? modern : old;
      if (serve === null) {
        throw new ProtocolError(ProtocolErrorCode.MethodNotFound, 'Method not found');
      }
      if (isModern(context) && !declaresTasks(context)) throw tasksRequired();
      const work = (caller: Caller) => serve(given as Params, caller, context);
      return (await answered(tools, context, work)) as Record<string, unknown>;
    });
  };
  on(
    'tasks/get',
    async (params, { who }) => detailedTaskOf(await get(queue, idIn(params), who), viewing),
    async (params, { who }) => {
      const job = await get(queue, idIn(params), who);
      return { ...oldTaskOf(job, viewing), ...progressMeta(job) };
    },
  );
  on(
    'tasks/update',
    async (params, caller, context) => {
      await answer(queue, idIn(params), { ...caller, given: responsesIn(context) });
      return {};
    },
    null,
  );
  on(
    'tasks/cancel',
    async (params, caller) => {
      await cancel(queue, idIn(params), caller);
      return {};
    },
    async (params, caller) => {
      const { job, changed } = await cancel(queue, idIn(params), caller);
      if (!changed) throw invalid(`The task is ${job.status} already and cannot be cancelled.`);
      return oldTaskOf(job, viewing);
    },
  );
  on('tasks/result', null, (params, caller, context) =>
    awaitResult(tools, { id: idIn(params), caller, context }),
  );
  on('tasks/list', null, async ({ cursor }, { who }) => {
    const before = cursor === undefined ? {} : { cursor: textIn(cursor, 'cursor') };
    const asked = { ...before, cursorName: 'nextCursor', limit: PAGE };
    const page = await list(queue, asked, ownJobsOf(who));
    return {
      tasks: page.jobs.map((job: Job) => oldTaskOf(job, viewing)),
      ...(page.nextCursor !== null && { nextCursor: page.nextCursor }),
    };
  });
}

/** Do the work for whoever sent the request; what it throws becomes a JSON-RPC error. */
async function answered(
  { caller, queue, viewing }: JobTools,
  context: ServerContext,
  work: (caller: Caller) => Promise<object>,
): Promise<object> {
  let requestId = '';
  try {
    const known = await caller(context);
    ({ requestId } = known);
    return await work(known);
  } catch (error) {
    throw toRpcError(error, { requestId, docsUrl: viewing.docsUrl, log: queue.log });
  }
}

function toRpcError(
  error: unknown,
  about: { readonly requestId: string; readonly docsUrl: string; readonly log: Logger },
): Error {
  if (error instanceof ProtocolError) return error;
  const { requestId, docsUrl, log } = about;
  if (!(error instanceof JobError)) {
    log.error({ request_id: requestId, err: error }, 'a task method failed');
  }
  const failure = toFailure(error, requestId);
  // Unknown, malformed and foreign ids: the same bytes for all.
  if (failure.code === 'RESOURCE_NOT_FOUND') return invalid(UNKNOWN);
  const code =
    failure.code === 'VALIDATION_FAILED'
      ? ProtocolErrorCode.InvalidParams
      : ProtocolErrorCode.InternalError;
  return new ProtocolError(code, failure.message, { error: toErrorBody(failure, docsUrl) });
}

const UNKNOWN = 'No such task is visible to this token.';

function invalid(message: string): ProtocolError {
  return new ProtocolError(ProtocolErrorCode.InvalidParams, message);
}

function idIn({ taskId }: Params): string {
  return textIn(taskId, 'taskId');
}

function textIn(value: unknown, name: string): string {
  if (typeof value === 'string') return value;
  throw invalid(`Invalid params: ${name} must be a string.`);
}

/** The SDK takes the answers out of the params; what is no object at all it only names. */
function responsesIn({ mcpReq }: ServerContext): Params {
  const { inputResponses, droppedInputResponseKeys = [] } = mcpReq;
  if (inputResponses === undefined) {
    throw invalid('Invalid params: inputResponses must be an object of answers by their key.');
  }
  const dropped = Object.fromEntries(droppedInputResponseKeys.map((key) => [key, null]));
  return { ...dropped, ...inputResponses };
}
