/**
 * `subscriptions/listen` with `taskIds`, over HTTP.
 *
 * Why here and not in a handler: the SDK answers this method itself, knows four kinds of events,
 * and leaves `taskIds` out of the filter that it accepts. So the SDK serves the request first, with
 * all its checks; its acknowledgement then gets the tasks, and its stream is held open for them.
 * What it sends of its own goes through.
 */
import {
  CLIENT_CAPABILITIES_META_KEY,
  ProtocolErrorCode,
  type ClientCapabilities,
} from '@modelcontextprotocol/server';
import { setTimeout as pause } from 'node:timers/promises';
import type { Job } from '../job/job.ts';
import type { Who } from '../job/who.ts';
import type { QueueContext } from '../queue/context.ts';
import type { Viewing } from './job-view.ts';
import type { Places } from './places.ts';
import { hasTasks, namesRevision, tasksRequired } from './task-capability.ts';
import { TaskStream } from './task-stream.ts';
import { AUTHORISE_MS, oneAtATime } from './while-allowed.ts';

/** Tasks that one subscription may name. */
const TASK_IDS_MAX = 1_000;
/** A comment on every stream this often keeps it from being taken for dead, in milliseconds. */
const KEEP_ALIVE_MS = 15_000;
/** The check of one stream holds up those of the others no longer than this, in milliseconds. */
const TURN_MS = 50;

/** What of a request is needed here. */
export interface ListenRequest {
  readonly id: string | number;
  readonly taskIds: unknown;
  readonly declaresTasks: boolean;
}

export interface Listener {
  readonly who: Who;
  /** Who it is now; null when the credential is no longer valid. */
  readonly again: () => Promise<Who | null>;
}

interface Beginning {
  readonly request: ListenRequest;
  readonly listener: Listener;
  readonly leave: () => void;
}

/** @returns null when the message is anything but a subscription of 2026-07-28 that names tasks */
export function listenRequestIn(message: unknown): ListenRequest | null {
  const { id, method, params } = (message ?? {}) as {
    readonly id?: unknown;
    readonly method?: unknown;
    readonly params?: {
      readonly notifications?: { readonly taskIds?: unknown };
      readonly _meta?: Readonly<Record<string, ClientCapabilities>>;
    };
  };
  const taskIds = params?.notifications?.taskIds;
  if (method !== 'subscriptions/listen' || taskIds === undefined) return null;
  if (typeof id !== 'string' && typeof id !== 'number') return null;
  if (!namesRevision(params?._meta)) return null;
  const declaresTasks = hasTasks(params?._meta?.[CLIENT_CAPABILITIES_META_KEY]);
  return { id, taskIds, declaresTasks };
}

export class TaskStreams {
  readonly #queue: QueueContext;
  readonly #viewing: Viewing;
  readonly #places: Places;
  /** With a check of each: may its listener still be told? */
  readonly #open = new Map<TaskStream, () => Promise<void>>();
  #timers: readonly NodeJS.Timeout[] = [];
  #isAuthorising = false;

  /** @param places of which each stream takes one */
  constructor(queue: QueueContext, viewing: Viewing, places: Places) {
    this.#queue = queue;
    this.#viewing = viewing;
    this.#places = places;
  }

  /** @param served what the SDK answered to the request */
  async serve(served: Response, request: ListenRequest, listener: Listener): Promise<Response> {
    const isStream = served.headers.get('content-type')?.startsWith('text/event-stream');
    if (served.body === null || !isStream) return served;
    const refusal = refusalOf(request);
    // Taken before anything is waited for, so that no two take the same.
    const leave = refusal === null ? this.#places.take() : null;
    if (leave === null) {
      await served.body.cancel();
      return refusal ?? rpcError(request.id, this.#places.refusal);
    }
    try {
      const body = await this.#begin(served.body, { request, listener, leave });
      return new Response(body, { status: served.status, headers: served.headers });
    } catch (error) {
      leave();
      await served.body.cancel();
      throw error;
    }
  }

  /** End every stream as a server ends it that goes away in good order. */
  close(): void {
    for (const stream of this.#open.keys()) stream.finish();
  }

  /** @returns what is sent to the client; the place is given back when it ends */
  async #begin(
    upstream: ReadableStream<Uint8Array>,
    { request, listener, leave }: Beginning,
  ): Promise<ReadableStream<Uint8Array>> {
    const jobs = await this.#visible(request.taskIds as readonly string[], listener.who);
    const stream = new TaskStream({
      queue: this.#queue,
      viewing: this.#viewing,
      id: request.id,
      who: listener.who,
      jobs,
      upstream,
      onEnd: () => {
        leave();
        this.#forget(stream);
      },
    });
    this.#open.set(
      stream,
      oneAtATime(() => this.#check(stream, listener)),
    );
    if (this.#timers.length === 0) this.#startTimers();
    return stream.body;
  }

  async #visible(ids: readonly string[], who: Who): Promise<readonly Job[]> {
    const jobs: Job[] = [];
    for (const id of new Set(ids)) {
      const job = await this.#queue.store.get(id, who);
      if (job !== null) jobs.push(job);
    }
    return jobs;
  }

  #startTimers(): void {
    this.#timers = [
      setInterval(() => void this.#authorise(), AUTHORISE_MS).unref(),
      setInterval(() => {
        for (const stream of this.#open.keys()) stream.keepAlive();
      }, KEEP_ALIVE_MS).unref(),
    ];
  }

  #forget(stream: TaskStream): void {
    this.#open.delete(stream);
    if (this.#open.size > 0) return;
    for (const timer of this.#timers) clearInterval(timer);
    this.#timers = [];
  }

  /** One after the other, so that many streams are no burst; one that hangs goes on by itself. */
  async #authorise(): Promise<void> {
    if (this.#isAuthorising) return;
    this.#isAuthorising = true;
    for (const check of this.#open.values()) {
      await Promise.race([check(), pause(TURN_MS, undefined, { ref: false })]);
    }
    this.#isAuthorising = false;
  }

  /** A token may be revoked, or lose a right, while its stream is open. */
  async #check(stream: TaskStream, { who, again }: Listener): Promise<void> {
    try {
      const now = await again();
      if (now?.team === who.team && now.owner === who.owner) stream.who = now;
      else stream.cut();
    } catch (error) {
      this.#queue.log.warn({ err: error }, 'who listens could not be told; asking again');
    }
  }
}

function refusalOf({ id, taskIds, declaresTasks }: ListenRequest): Response | null {
  if (!declaresTasks) {
    const { code, message, data } = tasksRequired();
    return rpcError(id, { code, message, data }, 400);
  }
  const isList = Array.isArray(taskIds) && taskIds.every((one) => typeof one === 'string');
  if (isList && taskIds.length <= TASK_IDS_MAX) return null;
  const message = `Invalid params: notifications.taskIds must be a list of at most ${TASK_IDS_MAX} task ids.`;
  return rpcError(id, { code: ProtocolErrorCode.InvalidParams, message });
}

function rpcError(
  id: string | number,
  error: { readonly code: number; readonly message: string; readonly data?: unknown },
  status = 200,
): Response {
  return Response.json({ jsonrpc: '2.0', id, error }, { status });
}
