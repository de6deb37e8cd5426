/** The near side of the reader thread, which is started by the first read that needs it. */
import { Worker } from 'node:worker_threads';
import { inheritedOptions, neighbourUrl } from '../../job/module-url.ts';
import type { bindable } from './operations.ts';
import type { Row } from '../job-row.ts';

export interface ReadCall {
  readonly id: number;
  readonly sql: string;
  readonly params: ReturnType<typeof bindable>;
}

export type ReadAnswer =
  | { readonly id: number; readonly rows: readonly Row[] }
  | { readonly id: number; readonly error: string; readonly errcode: number };

interface Pending {
  readonly resolve: (rows: readonly Row[]) => void;
  readonly reject: (error: Error) => void;
}

export class Reader {
  readonly #path: string;
  readonly #pending = new Map<number, Pending>();
  #thread: Worker | null = null;
  #lastId = 0;

  constructor(path: string) {
    this.#path = path;
  }

  read(sql: string, params: ReadCall['params']): Promise<readonly Row[]> {
    const id = (this.#lastId += 1);
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      const thread = (this.#thread ??= this.#start());
      // A process lives until its reads are answered, and no longer for the thread's sake.
      thread.ref();
      thread.postMessage({ id, sql, params } satisfies ReadCall);
    });
  }

  #start(): Worker {
    const thread = new Worker(neighbourUrl(import.meta.url, './reader-thread'), {
      workerData: { path: this.#path },
      execArgv: inheritedOptions(),
      name: 'reader',
    });
    thread.unref();
    thread.on('message', (answer: ReadAnswer) => {
      const pending = this.#pending.get(answer.id);
      this.#pending.delete(answer.id);
      if (this.#pending.size === 0) thread.unref();
      if ('rows' in answer) pending?.resolve(answer.rows);
      else pending?.reject(Object.assign(new Error(answer.error), { errcode: answer.errcode }));
    });
    const fail = (error: Error) => {
      this.#thread = null;
      for (const { reject } of this.#pending.values()) reject(error);
      this.#pending.clear();
    };
    thread.on('error', fail);
    thread.on('exit', () => fail(new Error('the reader has ended')));
    return thread;
  }

  async close(): Promise<void> {
    const thread = this.#thread;
    if (!thread) return;
    const exited = new Promise((resolve) => thread.once('exit', resolve));
    thread.ref();
    thread.postMessage('close');
    await exited;
  }
}
