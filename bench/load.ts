/** Load from a process of its own, so that the server is not measured together with its callers. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export interface Load {
  readonly url: string;
  readonly token: string;
  /** Tool calls, sent in turn. */
  readonly calls: readonly { readonly tool: string; readonly args: object }[];
  readonly connections: number;
  /** Requests in all. */
  readonly count: number;
  /** Send at this rate, not as fast as answers come; latencies then count from when a request was due. */
  readonly perSecond?: number;
  readonly keepJobIds?: boolean;
}

export interface LoadResult {
  /** Milliseconds. */
  readonly latencies: readonly number[];
  readonly perSecond: number;
  readonly jobIds: readonly string[];
}

/** One process that sends load, one load at a time. */
export class Caller {
  readonly #child: ChildProcess = fork(
    fileURLToPath(new URL('./load-process.ts', import.meta.url)),
    { serialization: 'advanced' },
  );

  async run(load: Load): Promise<LoadResult> {
    this.#child.send(load);
    const [answer] = (await once(this.#child, 'message')) as [
      { readonly result: LoadResult } | { readonly error: string },
    ];
    if ('error' in answer) throw new Error(answer.error);
    return answer.result;
  }

  [Symbol.dispose](): void {
    this.#child.kill();
  }
}
