/**
 * `subscriptions/listen` with `taskIds` over stdio: a transport around the SDK's.
 *
 * Why here: the SDK answers this method itself and leaves `taskIds` out. So it serves the request
 * first, with its checks; its acknowledgement then gets the tasks. Everything else passes as it is.
 */
import {
  SUBSCRIPTION_ID_META_KEY,
  type MessageExtraInfo,
  type Transport,
  type TransportSendOptions,
} from '@modelcontextprotocol/server';
import { JobError } from '../job/errors.ts';
import type { Job } from '../job/job.ts';
import { listenRequestIn, type ListenRequest } from '../mcp/listen.ts';
import { tasksRequired } from '../mcp/task-capability.ts';
import { TaskSubscription } from '../mcp/task-subscription.ts';
import { AUTHORISE_MS, oneAtATime } from '../mcp/while-allowed.ts';
import type { Call, McpServerOptions } from './mcp-server.ts';

type Message = Parameters<Transport['send']>[0];
type Id = string | number;

const ACKNOWLEDGED = 'notifications/subscriptions/acknowledged';
const TASK_IDS_MAX = 1_000;

export interface StdioTasks {
  readonly wire: Transport;
  readonly parts: McpServerOptions;
  /** Subscriptions that may be open at once. */
  readonly max: number;
  /** Who is served now. */
  readonly ask: () => Promise<Call>;
  /** Called when the wire has closed, whoever closed it. */
  readonly onClosed: () => void;
}

export class TaskTransport implements Transport {
  readonly #options: StdioTasks;
  /** Tasks that were asked for, until the SDK acknowledges the request. */
  readonly #asked = new Map<Id, readonly string[]>();
  readonly #open = new Map<Id, TaskSubscription>();
  readonly #check = oneAtATime(() => this.#authorise());
  #timer: NodeJS.Timeout | undefined;
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: Message, extra?: MessageExtraInfo) => void;

  constructor(options: StdioTasks) {
    this.#options = options;
    Object.assign(options.wire, {
      onclose: () => {
        this.#stopAll();
        this.onclose?.();
        options.onClosed();
      },
      onerror: (error: Error) => this.onerror?.(error),
      onmessage: (message: Message, extra?: MessageExtraInfo) => this.#receive(message, extra),
    });
  }

  async start(): Promise<void> {
    await this.#options.wire.start();
  }

  async close(): Promise<void> {
    this.#stopAll();
    await this.#options.wire.close();
  }

  async send(message: Message, options?: TransportSendOptions): Promise<void> {
    const id = acknowledgedIn(message);
    if (id === null || !this.#asked.has(id)) return this.#options.wire.send(message, options);
    return this.#begin(id, message as unknown as Acknowledgement);
  }

  #receive(message: Message, extra?: MessageExtraInfo): void {
    const request = listenRequestIn(message);
    if (request !== null) {
      const refusal = this.#refuse(request);
      if (refusal !== null) return this.#write({ jsonrpc: '2.0', id: request.id, error: refusal });
      this.#asked.set(request.id, request.taskIds as readonly string[]);
    }
    if ('method' in message && message.method === 'notifications/cancelled') {
      this.#stop((message.params as { readonly requestId?: Id } | undefined)?.requestId ?? '');
    }
    this.onmessage?.(message, extra);
  }

  async #begin(id: Id, acknowledgement: Acknowledgement): Promise<void> {
    const { parts, ask } = this.#options;
    const { queue, viewing } = parts;
    const { who } = await ask();
    const jobs: Job[] = [];
    for (const taskId of new Set(this.#asked.get(id))) {
      const job = await queue.store.get(taskId, who);
      if (job !== null) jobs.push(job);
    }
    // Cancelled or closed meanwhile.
    if (!this.#asked.delete(id)) return;
    const { params } = acknowledgement;
    const notifications = { ...params.notifications, taskIds: jobs.map((job) => job.id) };
    this.#write({ ...acknowledgement, params: { ...params, notifications } });
    const subscription = new TaskSubscription({
      queue,
      viewing,
      id,
      who,
      jobs,
      send: (message) => this.#write(message),
      isReady: () => true,
      onDone: () => this.#end(id),
    });
    this.#timer ??= setInterval(() => void this.#check(), AUTHORISE_MS).unref();
    this.#open.set(id, subscription);
    await subscription.pump();
  }

  /** Every task is final. */
  #end(requestId: Id): void {
    this.#stop(requestId);
    // The SDK's own subscription goes without a word; this is its last one.
    this.onmessage?.({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId } });
    const _meta = { [SUBSCRIPTION_ID_META_KEY]: requestId };
    this.#write({ jsonrpc: '2.0', id: requestId, result: { resultType: 'complete', _meta } });
  }

  #stop(id: Id): void {
    this.#open.get(id)?.stop();
    this.#open.delete(id);
    this.#asked.delete(id);
    if (this.#open.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #stopAll(): void {
    for (const id of this.#open.keys()) this.#stop(id);
    this.#asked.clear();
  }

  async #authorise(): Promise<void> {
    const who = await this.#options.ask().catch((error: unknown) => error);
    // Only a clear no ends it; who cannot be told for a moment is asked for again.
    if (who instanceof JobError) this.#stopAll();
  }

  #refuse({ taskIds, declaresTasks }: ListenRequest): object | null {
    const { max } = this.#options;
    if (!declaresTasks) {
      const { code, message, data } = tasksRequired();
      return { code, message, data };
    }
    const isList = Array.isArray(taskIds) && taskIds.every((one) => typeof one === 'string');
    if (!isList || taskIds.length > TASK_IDS_MAX) {
      const message = `Invalid params: notifications.taskIds must be a list of at most ${TASK_IDS_MAX} task ids.`;
      return { code: -32_602, message };
    }
    if (this.#open.size < max) return null;
    return { code: -32_603, message: `Subscription limit reached: ${max} are open.` };
  }

  #write(message: object): void {
    this.#options.wire.send(message as Message).catch(() => {});
  }
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
