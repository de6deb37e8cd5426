/**
 * The near side of the writer thread: calls go over together, answers come back together.
 */
import { Worker } from 'node:worker_threads';
import { monotonic } from '../../job/clock.ts';
import { JobError } from '../../job/errors.ts';
import type { Json } from '../../job/json.ts';
import { inheritedOptions, neighbourUrl } from '../../job/module-url.ts';
import type { ChangeNotice } from '../store.ts';

export type Verb =
  | 'insert'
  | 'insertOnce'
  | 'answer'
  | 'claim'
  | 'apply'
  | 'write'
  | 'renew'
  | 'progress'
  | 'beat'
  | 'sweep'
  | 'probe'
  | Look;

/** Writes nothing, so it waits for no commit, and for nobody else's. */
export type Look = 'now' | 'isChangedElsewhere';

export interface WriterOptions {
  readonly path: string;
  /** Rest after each own commit; see GroupCommit. */
  readonly pauseMs: number;
  /** Inputs and results of more bytes than this are kept apart from their row. */
  readonly inlineBytesMax: number;
}

export interface Call {
  readonly id: number;
  readonly verb: Verb;
  readonly args: readonly unknown[];
  /** When it was asked for, on the monotonic clock. */
  readonly askedAt: number;
}

export type Answer =
  | { readonly id: number; readonly ok: true; readonly value: unknown }
  | {
      readonly id: number;
      readonly ok: false;
      readonly code: string | null;
      readonly message: string;
      readonly remediation?: string;
      readonly context?: Readonly<Record<string, Json>>;
      readonly cause: string | null;
    };

export interface FromWriter {
  readonly ready?: true;
  readonly fatal?: string;
  readonly answers?: readonly Answer[];
  readonly changed?: readonly ChangeNotice[];
}

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

export interface WriterEvents {
  readonly onChanged: (changed: readonly ChangeNotice[]) => void;
  readonly onFatal: (reason: string) => void;
}

export class Writer {
  readonly #thread: Worker;
  readonly #pending = new Map<number, Pending>();
  readonly #events: WriterEvents;
  #outgoing: Call[] = [];
  #lastId = 0;
  #isClosed = false;

  private constructor(thread: Worker, events: WriterEvents) {
    this.#thread = thread;
    this.#events = events;
  }

  static async start(options: WriterOptions, events: WriterEvents): Promise<Writer> {
    const thread = new Worker(neighbourUrl(import.meta.url, './writer-thread'), {
      workerData: options,
      execArgv: inheritedOptions(),
      name: 'writer',
    });
    await new Promise<void>((resolve, reject) => {
      thread.once('message', () => resolve());
      thread.once('error', reject);
    });
    const writer = new Writer(thread, events);
    thread.on('message', (message: FromWriter) => writer.#receive(message));
    thread.on('error', (error) => events.onFatal(String(error)));
    thread.once('exit', () => writer.#rejectAll());
    return writer;
  }

  /** Ask the writer; the promise settles after the commit. */
  call<T>(verb: Verb, ...args: readonly unknown[]): Promise<T> {
    if (this.#isClosed) return Promise.reject(new Error('the store is closed'));
    const id = (this.#lastId += 1);
    return new Promise<T>((resolve, reject) => {
      this.#pending.set(id, { resolve: resolve as (value: unknown) => void, reject });
      if (this.#outgoing.push({ id, verb, args, askedAt: monotonic() }) === 1)
        queueMicrotask(() => this.#send());
    });
  }

  #send(): void {
    const calls = this.#outgoing;
    this.#outgoing = [];
    try {
      this.#thread.postMessage(calls);
    } catch {
      // One of them holds what cannot be sent, such as a function: that one alone is refused.
      for (const call of calls) this.#sendOne(call);
    }
  }

  #sendOne(call: Call): void {
    try {
      this.#thread.postMessage([call]);
    } catch (error) {
      this.#pending.get(call.id)?.reject(new TypeError(String(error), { cause: error }));
      this.#pending.delete(call.id);
    }
  }

  #receive(message: FromWriter): void {
    if (message.fatal !== undefined) return this.#events.onFatal(message.fatal);
    for (const answer of message.answers ?? []) {
      const pending = this.#pending.get(answer.id);
      this.#pending.delete(answer.id);
      if (answer.ok) pending?.resolve(answer.value);
      else pending?.reject(toError(answer));
    }
    if (message.changed && message.changed.length > 0) this.#events.onChanged(message.changed);
  }

  #rejectAll(): void {
    for (const { reject } of this.#pending.values()) reject(new JobError('STORE_UNKNOWN'));
    this.#pending.clear();
  }

  /** Commit what waits, then end the thread. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#outgoing.length > 0) this.#send();
    const exited = new Promise((resolve) => this.#thread.once('exit', resolve));
    this.#thread.postMessage('close');
    await exited;
  }
}

function toError(answer: Answer & { ok: false }): Error {
  const { code, message, remediation, context, cause } = answer;
  if (code === null) return new Error(message);
  return new JobError(code, {
    message,
    ...(remediation !== undefined && { remediation }),
    ...(context && { context }),
    ...(cause !== null && { cause: new Error(cause) }),
  });
}
