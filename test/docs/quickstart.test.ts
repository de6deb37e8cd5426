/** The quickstart of the README, run as the README says, and through a kill -9. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { tempFolder } from '../support/temp.ts';

const FOLDER = new URL('../../examples/quickstart/', import.meta.url);
const TIMEOUT = { timeout: 45_000 };

interface Example {
  readonly child: ChildProcess;
  /** Lines of stdout, as they come. */
  readonly lines: AsyncIterator<string>;
}

/** An example in a process group of its own, so that its workers end with it. */
function run(
  t: TestContext,
  file: string,
  options: { cwd: string; port?: string; args?: string[] },
): Example {
  const { cwd, port = '0', args = [] } = options;
  const script = fileURLToPath(new URL(file, FOLDER));
  const child = spawn(process.execPath, ['--conditions=mcp-async-jobs-source', script, ...args], {
    cwd,
    env: { ...process.env, PORT: port },
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  t.after(() => killAll(child));
  const reader = createInterface({ input: child.stdout ?? process.stdin });
  return { child, lines: reader[Symbol.asyncIterator]() };
}

/** kill -9 of a process and of everything that it has started. */
function killAll(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  } catch {
    // All of them have ended.
  }
}

async function nextLine({ lines }: Example): Promise<string> {
  const { value, done } = await lines.next();
  assert.notEqual(done, true, 'the example ended before its next line');
  return value as string;
}

async function rest({ lines }: Example): Promise<string[]> {
  const found: string[] = [];
  for (let next = await lines.next(); next.done !== true; next = await lines.next()) {
    found.push(next.value);
  }
  return found;
}

const withoutProgress = (said: readonly string[]): string[] =>
  said.filter((line) => !line.endsWith(' %'));

test(
  'the quickstart serves a job, tells its result, and stops when it is asked to',
  TIMEOUT,
  async (t) => {
    const cwd = tempFolder(t);
    const server = run(t, 'server.ts', { cwd });
    const url = await nextLine(server);
    assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/mcp$/);
    const said = await rest(run(t, 'client.ts', { cwd, args: [url, '1'] }));
    assert.match(said[0] ?? '', /^mjb_[0-9A-Z]{26}$/);
    assert.equal(said[1], 'queued');
    assert.deepEqual(withoutProgress(said).slice(-2), ['completed', '{ loaves: 1 }']);
    assert.ok(said.includes('0 %'), 'no progress was told');
    server.child.kill('SIGTERM');
    assert.deepEqual(await once(server.child, 'exit'), [0, null]);
  },
);

test(
  'a job of the quickstart survives kill -9 of the server and its worker',
  TIMEOUT,
  async (t) => {
    const cwd = tempFolder(t);
    const first = run(t, 'server.ts', { cwd });
    const url = await nextLine(first);
    const client = run(t, 'client.ts', { cwd, args: [url, '3'] });
    while ((await nextLine(client)) !== 'running');
    const died = once(first.child, 'exit');
    killAll(first.child);
    assert.deepEqual(await died, [null, 'SIGKILL']);
    const second = run(t, 'server.ts', { cwd, port: new URL(url).port });
    assert.equal(await nextLine(second), url);
    const said = await rest(client);
    assert.deepEqual(withoutProgress(said).slice(-2), ['completed', '{ loaves: 3 }']);
    assert.ok(!said.includes('queued'), 'the status went backwards');
  },
);
