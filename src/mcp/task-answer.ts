/** What a submission is answered with: a task to those who speak Tasks, the plain handle to others. */
import type { McpServer, ServerContext } from '@modelcontextprotocol/server';
import { inputRequired } from '@modelcontextprotocol/server';
import type { AnyDefinition } from '../job/definition.ts';
import type { Submitted } from '../queue/submit.ts';
import type { NeedsAnswers } from '../queue/submit.ts';
import { submissionView, type Viewing } from './job-view.ts';
import { canBeAsked, declaresTasks, isModern, tasksRequired } from './task-capability.ts';
import { elicitationOf, oldTaskOf, taskOf } from './tasks.ts';
import { replaceAnswer, sentTo } from './tool-call-seam.ts';

/** In `_meta` of a task that an earlier call with the same idempotency key has made. */
const REPLAYED = 'mcp-async-jobs/replayed';

/**
 * Refuse a client without Tasks where the definition wants them.
 *
 * @throws MissingRequiredClientCapabilityError, which the caller gets as a JSON-RPC error
 */
export function demandTasks({ requiresTasks }: AnyDefinition, context: ServerContext): void {
  if (!requiresTasks || declaresTasks(context)) return;
  if (!isModern(context) && sentTo(context)?.wantsTask) return;
  throw tasksRequired();
}

/** @returns what the tool answers; where the client gets a task, that takes its place */
export function submissionAnswer(
  submitted: Submitted,
  context: ServerContext,
  viewing: Viewing,
): object {
  const { job, isReplay } = submitted;
  const replayed = isReplay && { _meta: { [REPLAYED]: true } };
  const sent = sentTo(context);
  if (isModern(context)) {
    if (declaresTasks(context)) {
      const task = { resultType: 'task', ...taskOf(job, viewing), ...replayed };
      // The public API alone: the SDK takes the task from the tool, with `content` beside it.
      if (sent === null) return { ...task, content: [] };
      replaceAnswer(context, () => task);
    }
  } else if (sent?.wantsTask) {
    replaceAnswer(context, () => ({ task: oldTaskOf(job, viewing), ...replayed }));
  }
  return { data: submissionView(submitted) };
}

/** What the caller has answered, or nothing when it cannot be asked. */
export function answersIn(
  mcp: McpServer,
  context: ServerContext,
): { readonly answers?: Readonly<Record<string, unknown>> } {
  if (!canBeAsked(mcp, context)) return {};
  const { inputResponses, requestState } = context.mcpReq;
  const before = readState(requestState());
  return { answers: { ...before, ...inputResponses } };
}

/**
 * Ask before there is a job. Answers from earlier rounds travel with the client, who gave them and
 * may change them, so the state needs no seal; each is checked again when it comes back.
 */
export function askAnswer({ questions, answers }: NeedsAnswers): object {
  const inputRequests = Object.fromEntries(
    Object.entries(questions).map(([key, question]) => [
      key,
      inputRequired.elicit(elicitationOf(question) as Parameters<typeof inputRequired.elicit>[0]),
    ]),
  );
  const isFirst = Object.keys(answers).length === 0;
  return inputRequired({
    inputRequests,
    ...(!isFirst && { requestState: Buffer.from(JSON.stringify(answers)).toString('base64url') }),
  });
}

function readState(state: unknown): Readonly<Record<string, unknown>> {
  if (typeof state !== 'string') return {};
  try {
    const read: unknown = JSON.parse(Buffer.from(state, 'base64url').toString());
    return typeof read === 'object' && read !== null ? { ...read } : {};
  } catch {
    return {};
  }
}
