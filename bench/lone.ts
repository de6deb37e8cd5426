/** A worker process of its own, seen from the bench that starts it. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const ENTRY = fileURLToPath(new URL('./lone-worker.ts', import.meta.url));

export class LoneWorker {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Resolves when it looks for jobs. */
  static async start(
    address: string,
    options: { readonly concurrency?: number; readonly leaseMs?: number } = {},
  ): Promise<LoneWorker> {
    const { concurrency = 1, leaseMs = 20_000 } = options;
    const child = fork(ENTRY, [address, String(concurrency), String(leaseMs)]);
    await once(child, 'message');
    return new LoneWorker(child);
  }

  /** It lives and does nothing more, as behind a network that has failed. */
  freeze(): void {
    this.#child.kill('SIGSTOP');
  }

  thaw(): void {
    this.#child.kill('SIGCONT');
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  async stop(): Promise<void> {
    const gone = once(this.#child, 'exit');
    this.#child.disconnect();
    await gone;
  }
}
