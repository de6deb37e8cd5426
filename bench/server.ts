/** A server to be measured, seen from the bench that starts it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Timings } from './time-store.ts';

export interface ServerOptions {
  /** Ours, the SDK's default serving, or that with its schemas made once by hand. */
  readonly kind: 'ours' | 'sdk' | 'sdk, tuned';
  /** Path or address of the database. */
  readonly db: string;
  readonly workers: number;
  readonly concurrency: number;
}

export type Asked =
  | { readonly ask: 'start'; readonly options: ServerOptions }
  | { readonly ask: 'timings' }
  | { readonly ask: 'close' };

export type Told =
  { readonly url: string } | { readonly timings: Timings } | { readonly error: string };

const ENTRY = fileURLToPath(new URL('./server-process.ts', import.meta.url));
const CLOSES_WITHIN_MS = 10_000;

export class ServerUnderTest {
  readonly url: string;
  readonly token = 'bench';
  readonly pid: number;
  readonly #child: ChildProcess;

  private constructor(url: string, child: ChildProcess) {
    this.url = url;
    this.pid = child.pid ?? 0;
    this.#child = child;
  }

  /** @param wrapper a program and its arguments, which runs the server; strace, say */
  static async start(options: ServerOptions, wrapper: readonly string[] = []) {
    const [command, ...args] = [...wrapper, process.execPath, ENTRY];
    const child = spawn(command ?? process.execPath, args, {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      serialization: 'advanced',
    });
    const told = await ask(child, { ask: 'start', options });
    if (!('url' in told)) throw new Error(JSON.stringify(told));
    return new ServerUnderTest(told.url, child);
  }

  /** What was measured inside since the last time. */
  async timings(): Promise<Timings> {
    const told = await ask(this.#child, { ask: 'timings' });
    if (!('timings' in told)) throw new Error(JSON.stringify(told));
    return told.timings;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = once(this.#child, 'exit');
    const late = setTimeout(() => this.#child.kill('SIGKILL'), CLOSES_WITHIN_MS);
    if (this.#child.connected) this.#child.send({ ask: 'close' } satisfies Asked);
    await gone;
    clearTimeout(late);
  }
}

async function ask(child: ChildProcess, asked: Asked): Promise<Told> {
  child.send(asked);
  const gone = once(child, 'exit').then(() => ({ error: 'the server has ended' }));
  const answered = once(child, 'message').then(([told]) => told as Told);
  return Promise.race([answered, gone]);
}
