/**
 * The one place where the client side reaches below `Client.callTool`: at its transport.
 *
 * Why: the SDK's client refuses an answer that is a task (UNSUPPORTED_RESULT_TYPE), and its
 * capabilities cannot be widened once it is connected. Here a task passes as the metadata of an
 * error result, which no schema of the tool is held against, and a request that is marked declares
 * the Tasks extension. Every other message passes as it is.
 */
import type { CallToolResult, Transport } from '@modelcontextprotocol/client';
import { isBody, type Body } from './answers.ts';

export const TASKS_EXTENSION = 'io.modelcontextprotocol/tasks';

const CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities';
const TASK = 'mcp-async-jobs/task';
const DECLARES = 'mcp-async-jobs/declares-tasks';

/** `_meta` of a request that is to declare the Tasks extension. */
export const DECLARING = { [DECLARES]: true } as const;

const opened = new WeakSet<Transport>();

/** Let tasks through; once for each transport, however often it is asked for. */
export function letTasksThrough(transport: Transport): void {
  if (opened.has(transport)) return;
  opened.add(transport);
  const deliver = transport.onmessage?.bind(transport);
  // oxlint-disable-next-line prefer-add-event-listener -- a transport is no event target
  transport.onmessage = (message, extra) => deliver?.(disguised(message), extra);
  const send = transport.send.bind(transport);
  transport.send = async (message, options) => send(declaring(message), options);
}

/** The task in an answer that has passed the seam, or null. */
export function taskIn({ _meta: meta }: CallToolResult): Body | null {
  const task = meta?.[TASK];
  return isBody(task) && typeof task['taskId'] === 'string' ? task : null;
}

function disguised<M extends object>(message: M): M {
  const result = 'result' in message ? message.result : null;
  if (!isBody(result)) return message;
  const task = result['resultType'] === 'task' ? result : result['task'];
  if (!isBody(task) || typeof task['taskId'] !== 'string') return message;
  const answer = { content: [], isError: true, _meta: { [TASK]: task } };
  return {
    ...message,
    result: 'resultType' in result ? { resultType: 'complete', ...answer } : answer,
  };
}

function declaring<M extends object>(message: M): M {
  const params = 'params' in message && isBody(message.params) ? message.params : null;
  const meta = params?.['_meta'];
  if (!isBody(meta) || !(DECLARES in meta)) return message;
  const { [DECLARES]: _, [CAPABILITIES]: given, ...rest } = meta;
  const capabilities = isBody(given) ? given : {};
  const extensions = isBody(capabilities['extensions']) ? capabilities['extensions'] : {};
  const declared = { ...capabilities, extensions: { ...extensions, [TASKS_EXTENSION]: {} } };
  return { ...message, params: { ...params, _meta: { ...rest, [CAPABILITIES]: declared } } };
}
