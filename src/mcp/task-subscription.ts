/**
 * One open subscription to tasks, whatever carries it: each task as it is at the beginning, then
 * again after every change. What changes while the client does not read is sent once, as it is then.
 */
import { SUBSCRIPTION_ID_META_KEY } from '@modelcontextprotocol/server';
import type { Job } from '../job/job.ts';
import { isFinal } from '../job/states.ts';
import { rightsOf, type Who } from '../job/who.ts';
import type { QueueContext } from '../queue/context.ts';
import { get } from '../queue/get.ts';
import { watchOf } from '../queue/watch.ts';
import type { Viewing } from './job-view.ts';
import { taskStatus } from './status.ts';
import { detailedTaskOf } from './tasks.ts';

/** Tries a read that failed again after this time, in milliseconds. */
const AGAIN_MS = 1_000;

export interface SubscriptionOptions {
  readonly queue: QueueContext;
  readonly viewing: Viewing;
  /** The JSON-RPC id of the request that opened it. */
  readonly id: string | number;
  readonly who: Who;
  /** Jobs that the caller was shown to see. */
  readonly jobs: readonly Job[];
  readonly send: (notification: object) => void;
  /** Whether the client can take more at the moment; `pump` is called when it can again. */
  readonly isReady: () => boolean;
  /** Called once, when every task is final and was sent. */
  readonly onDone: () => void;
}

export class TaskSubscription {
  readonly #options: SubscriptionOptions;
  /** What was sent last of each job that may still change; empty before its first message. */
  readonly #sent: Map<string, string>;
  /** Jobs that may have changed. */
  readonly #dirty: Set<string>;
  readonly #unwatch: () => void;
  #isPumping = false;
  #isOver = false;
  #who: Who;

  constructor(options: SubscriptionOptions) {
    this.#options = options;
    this.#who = options.who;
    const ids = options.jobs.map(({ id }) => id);
    this.#sent = new Map(ids.map((id) => [id, '']));
    this.#dirty = new Set(ids);
    this.#unwatch = watchOf(options.queue.store).watch(ids, (id) => {
      if (!this.#sent.has(id)) return;
      this.#dirty.add(id);
      void this.pump();
    });
  }

  /** Who it is for, asked for afresh while it is open; what he may no longer see is left out. */
  set who(who: Who) {
    const isSame = rightsOf(who) === rightsOf(this.#who);
    this.#who = who;
    if (isSame) return;
    for (const id of this.#sent.keys()) this.#dirty.add(id);
    void this.pump();
  }

  /** Send what has changed, as far as the client takes it. */
  async pump(): Promise<void> {
    if (this.#isPumping) return;
    this.#isPumping = true;
    const { isReady, onDone, queue } = this.#options;
    try {
      for (const id of this.#dirty) {
        if (this.#isOver || !isReady()) return;
        this.#dirty.delete(id);
        await this.#look(id);
      }
    } catch (error) {
      queue.log.warn({ err: error }, 'a subscription could not be served; trying again');
      setTimeout(() => void this.pump(), AGAIN_MS).unref();
    } finally {
      this.#isPumping = false;
    }
    if (this.#sent.size > 0 || this.#isOver) return;
    this.stop();
    onDone();
  }

  /** Send no more. */
  stop(): void {
    this.#isOver = true;
    this.#dirty.clear();
    this.#unwatch();
  }

  async #look(id: string): Promise<void> {
    // A change that came while its end was being sent.
    if (!this.#sent.has(id)) return;
    const { queue, viewing, send } = this.#options;
    let job: Job;
    try {
      job = await get(queue, id, this.#who);
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'RESOURCE_NOT_FOUND') {
        this.#dirty.add(id);
        throw error;
      }
      // Purged, or no longer for these eyes.
      this.#sent.delete(id);
      return;
    }
    const state = stateOf(job);
    if (this.#isOver || this.#sent.get(id) === state) return;
    const task = detailedTaskOf(job, viewing);
    const _meta = { ...task._meta, [SUBSCRIPTION_ID_META_KEY]: this.#options.id };
    const params = { ...task, _meta };
    send({ jsonrpc: '2.0', method: 'notifications/tasks', params });
    if (isFinal(job.status)) this.#sent.delete(id);
    else this.#sent.set(id, state);
  }
}

/** Differs when a message about the job would say something new, beside when to ask again. */
function stateOf(job: Job): string {
  const { done, total, message } = job.progress ?? {};
  const answered = Object.keys(job.answers ?? {}).length;
  return JSON.stringify([taskStatus(job), answered, done, total, message]);
}
