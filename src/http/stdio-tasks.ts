/**
 * `subscriptions/listen` with `taskIds` over stdio: a transport around the SDK's.
 *
 * Why here: the SDK answers this method itself and leaves `taskIds` out. So it serves the request
 * first, with its checks; its acknowledgement then gets the tasks. Everything else passes as it is.
 */
import { SUBSCRIPTION_ID_META_KEY, type Transport } from '@modelcontextprotocol/server';
import { JobError } from '../job/errors.ts';
import type { Job } from '../job/job.ts';
import { listenRequestIn } from '../mcp/listen.ts';
import { tasksRequired } from '../mcp/task-capability.ts';
import { TaskSubscription } from '../mcp/task-subscription.ts';
import type { Call, McpServerOptions } from './mcp-server.ts';

type Message = Parameters<Transport['send']>[0];
type Id = string | number;

const ACKNOWLEDGED = 'notifications/subscriptions/acknowledged';
const TASK_IDS_MAX = 1_000;
/** Whose tasks they are is asked again this often, in milliseconds. */
const AUTHORISE_MS = 1_000;

/** @param ask who is served now */
export function withTaskSubscriptions(
  wire: Transport,
  { queue, viewing, maxSubscriptions }: McpServerOptions & { readonly maxSubscriptions: number },
  ask: () => Promise<Call>,
): Transport {
  const asked = new Map<Id, readonly string[]>();
  const open = new Map<Id, TaskSubscription>();
  const write = (message: object): void => void wire.send(message as Message).catch(() => {});
  const stop = (id: Id): void => {
    open.get(id)?.stop();
    open.delete(id);
    asked.delete(id);
    if (open.size === 0) clearInterval(timer);
  };
  let timer: NodeJS.Timeout | undefined;
  const authorise = async (): Promise<void> => {
    const who = await ask().catch((error: unknown) => error);
    // Only a clear no ends it; who cannot be told for a moment is asked for again.
    if (who instanceof JobError) for (const id of [...open.keys()]) stop(id);
  };

  const begin = async (id: Id, acknowledgement: Acknowledgement): Promise<void> => {
    const { who } = await ask();
    const jobs: Job[] = [];
    for (const taskId of new Set(asked.get(id))) {
      const job = await queue.store.get(taskId, who);
      if (job !== null) jobs.push(job);
    }
    asked.delete(id);
    const taskIds = jobs.map((job) => job.id);
    const { params } = acknowledgement;
    const notifications = { ...params.notifications, taskIds };
    write({ ...acknowledgement, params: { ...params, notifications } });
    const end = (): void => {
      stop(id);
      // The SDK's own subscription goes without a word; this is its last one.
      outer.onmessage?.({
        jsonrpc: '2.0',
        method: 'notifications/cancelled',
        params: { requestId: id },
      });
      const _meta = { [SUBSCRIPTION_ID_META_KEY]: id };
      write({ jsonrpc: '2.0', id, result: { resultType: 'complete', _meta } });
    };
    const options = {
      queue,
      viewing,
      id,
      who,
      jobs,
      send: write,
      isReady: () => true,
      onDone: end,
    };
    const subscription = new TaskSubscription(options);
    if (open.size === 0) timer = setInterval(() => void authorise(), AUTHORISE_MS).unref();
    open.set(id, subscription);
    await subscription.pump();
  };

  const refusalOf = (taskIds: unknown, declaresTasks: boolean): object | null => {
    if (!declaresTasks) {
      const { code, message, data } = tasksRequired();
      return { code, message, data };
    }
    const isList = Array.isArray(taskIds) && taskIds.every((one) => typeof one === 'string');
    if (!isList || taskIds.length > TASK_IDS_MAX) {
      const message = `Invalid params: notifications.taskIds must be a list of at most ${TASK_IDS_MAX} task ids.`;
      return { code: -32_602, message };
    }
    if (open.size < maxSubscriptions) return null;
    return { code: -32_603, message: `Subscription limit reached: ${maxSubscriptions} are open.` };
  };

  const outer: Transport = {
    start: async () => wire.start(),
    close: async () => {
      for (const id of [...open.keys()]) stop(id);
      await wire.close();
    },
    async send(message, options) {
      const id = acknowledgedIn(message);
      if (id === null || !asked.has(id)) return wire.send(message, options);
      return begin(id, message as unknown as Acknowledgement);
    },
  };
  wire.onclose = () => {
    for (const id of [...open.keys()]) stop(id);
    outer.onclose?.();
  };
  wire.onerror = (error) => outer.onerror?.(error);
  wire.onmessage = (message, extra) => {
    const request = listenRequestIn(message);
    if (request !== null) {
      const refusal = refusalOf(request.taskIds, request.declaresTasks);
      if (refusal !== null) return write({ jsonrpc: '2.0', id: request.id, error: refusal });
      asked.set(request.id, request.taskIds as readonly string[]);
    }
    if ('method' in message && message.method === 'notifications/cancelled') {
      stop((message.params as { readonly requestId?: Id } | undefined)?.requestId ?? '');
    }
    outer.onmessage?.(message, extra);
  };
  return outer;
}

interface Acknowledgement {
  readonly params: { readonly notifications?: object };
}

/** The subscription that a message acknowledges, or null for any other message. */
function acknowledgedIn(message: Message): Id | null {
  if (!('method' in message) || message.method !== ACKNOWLEDGED) return null;
  const id = (message.params?.['_meta'] as Record<string, Id> | undefined)?.[
    SUBSCRIPTION_ID_META_KEY
  ];
  return id ?? null;
}
