/** Examples as processes: started as a reader would, and gone with their test. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { tempFolder } from '../support/temp.ts';

const EXAMPLES = new URL('../../examples/', import.meta.url);

export const pathOf = (file: string): string => fileURLToPath(new URL(file, EXAMPLES));
export const NODE = [process.execPath, '--conditions=mcp-async-jobs-source'] as const;

export interface Example {
  readonly child: ChildProcess;
  readonly cwd: string;
  /** Lines of stdout, as they come. */
  readonly lines: AsyncIterator<string>;
}

/** An example in a folder and a process group of its own, so that its workers end with it. */
export function run(
  t: TestContext,
  file: string,
  args: readonly string[] = [],
  port = '0',
): Example {
  const cwd = tempFolder(t);
  const [node, condition] = NODE;
  const child = spawn(node, [condition, pathOf(file), ...args], {
    cwd,
    env: { ...process.env, PORT: port },
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  t.after(() => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // All of them have ended.
    }
  });
  return { child, cwd, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() };
}

export async function nextLine({ lines }: Example): Promise<string> {
  const { value, done } = await lines.next();
  assert.notEqual(done, true, 'the example ended before its next line');
  return value as string;
}

export async function restOf({ lines }: Example): Promise<string[]> {
  const found: string[] = [];
  for (let next = await lines.next(); next.done !== true; next = await lines.next()) {
    found.push(next.value);
  }
  return found;
}

/** Asked to stop, an example ends by itself. */
export async function stop({ child }: Example): Promise<void> {
  child.kill('SIGTERM');
  assert.deepEqual(await once(child, 'exit'), [0, null]);
}

export async function connected(
  t: TestContext,
  url: string,
  headers: Record<string, string> = {},
): Promise<Client> {
  const client = new Client({ name: 'test', version: '1.0.0' });
  const options = { requestInit: { headers } };
  await client.connect(new StreamableHTTPClientTransport(new URL(url), options));
  t.after(() => client.close());
  return client;
}
