/** One stream of server-sent events: what the SDK sends of its own, and the tasks. */
import type { Job } from '../job/job.ts';
import type { Who } from '../job/who.ts';
import type { QueueContext } from '../queue/context.ts';
import type { Viewing } from './job-view.ts';
import { TaskSubscription } from './task-subscription.ts';

/** Messages that may lie ready for the client; what changes meanwhile is sent later, once. */
const READY_MAX = 16;

export interface TaskStreamOptions {
  readonly queue: QueueContext;
  readonly viewing: Viewing;
  readonly id: string | number;
  readonly who: Who;
  readonly jobs: readonly Job[];
  /** The SDK's own stream. */
  readonly upstream: ReadableStream<Uint8Array>;
  readonly onEnd: () => void;
}

interface Message {
  readonly method?: string;
  readonly result?: unknown;
  readonly params?: { readonly notifications?: object };
}

export class TaskStream {
  readonly #options: TaskStreamOptions;
  readonly #subscription: TaskSubscription;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #encoder = new TextEncoder();
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  /** The SDK's last message, held back until the tasks are final. */
  #last: string | null = null;
  #areTasksDone = false;
  #isEnded = false;
  readonly body: ReadableStream<Uint8Array>;

  constructor(options: TaskStreamOptions) {
    this.#options = options;
    this.#reader = options.upstream.getReader();
    this.#subscription = new TaskSubscription({
      ...options,
      send: (message) => this.#write(frameOf(message)),
      isReady: () => (this.#controller.desiredSize ?? 0) > 0,
      onDone: () => {
        this.#areTasksDone = true;
        if (this.#last !== null) this.finish();
      },
    });
    this.body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
          void this.#follow();
        },
        pull: () => this.#subscription.pump(),
        cancel: () => this.#end(),
      },
      { highWaterMark: READY_MAX },
    );
  }

  set who(who: Who) {
    this.#subscription.who = who;
  }

  keepAlive(): void {
    if (!this.#isEnded && (this.#controller.desiredSize ?? 0) > 0) this.#write(': keepalive\n\n');
  }

  /** Send the SDK's last message, where it is there, and close. */
  finish(): void {
    if (this.#isEnded) return;
    if (this.#last) this.#write(this.#last);
    this.cut();
  }

  /** Close without a word. */
  cut(): void {
    if (this.#isEnded) return;
    this.#end();
    this.#controller.close();
  }

  #end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#subscription.stop();
    this.#reader.cancel().catch(() => {});
    this.#options.onEnd();
  }

  #write(frame: string): void {
    if (!this.#isEnded) this.#controller.enqueue(this.#encoder.encode(frame));
  }

  /** Pass on what the SDK sends; its acknowledgement comes first. */
  async #follow(): Promise<void> {
    const decoder = new TextDecoder();
    let text = '';
    try {
      for (;;) {
        const { done, value } = await this.#reader.read();
        if (done) break;
        text += decoder.decode(value, { stream: true });
        const frames = text.split('\n\n');
        text = frames.pop() ?? '';
        for (const frame of frames) this.#pass(frame);
      }
    } catch (error) {
      this.#options.queue.log.warn({ err: error }, 'a subscription ended before its time');
    }
    this.#last ??= '';
    if (this.#areTasksDone) this.finish();
  }

  #pass(frame: string): void {
    const message = messageIn(frame);
    if (message?.result !== undefined) this.#last = `${frame}\n\n`;
    else if (message?.method === 'notifications/subscriptions/acknowledged') {
      const taskIds = this.#options.jobs.map(({ id }) => id);
      const notifications = { ...message.params?.notifications, taskIds };
      this.#write(frameOf({ ...message, params: { ...message.params, notifications } }));
      void this.#subscription.pump();
    } else this.#write(`${frame}\n\n`);
  }
}

function frameOf(message: object): string {
  return `event: message\ndata: ${JSON.stringify(message)}\n\n`;
}

function messageIn(frame: string): Message | null {
  const [, data] = /^data: (.*)$/m.exec(frame) ?? [];
  return data === undefined ? null : (JSON.parse(data) as Message);
}
