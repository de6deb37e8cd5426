/** `stdio` beside others, in trouble, and at its end: nobody starves, stdout stays clean, nothing is left. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { processesOf } from '../../scripts/cli-process.ts';
import { callJob, resumeJob } from '../../src/client.ts';
import { tempFolder } from '../support/temp.ts';
import { until } from '../support/until.ts';
import { argsFor, connected, host, info, initialize, type Host } from './a-host.ts';
import { aServer, JOBS } from './a-server.ts';

/** Call a tool on a connection of 2025, and give the `data` of its answer. */
async function call(on: Host, id: number, [name, args]: readonly [string, object]) {
  on.send({ id, method: 'tools/call', params: { name, arguments: args } });
  const isAnswer = (line: string): boolean => new RegExp(`"id":${id}\\b`).test(line);
  const line = await until(`${name} is answered`, () => on.lines.find(isAnswer), { ms: 25_000 });
  return (JSON.parse(line) as { result: { structuredContent: { data: Record<string, unknown> } } })
    .result.structuredContent.data;
}

async function isGone(pid: number): Promise<void> {
  await until('all of it is gone', () => processesOf(pid).length === 0);
}

test('an HTTP server and three hosts on one file: when one has done 200 jobs, each has done 20', async (t) => {
  const { server, db, token } = await aServer(t, '--jobs', JOBS);
  const overHttp = new Client(info);
  const requestInit = { headers: { authorization: `Bearer ${token}` } };
  await overHttp.connect(new StreamableHTTPClientTransport(new URL(server.url), { requestInit }));
  t.after(() => overHttp.close());
  const env = { MCP_ASYNC_JOBS_TOKEN: token };
  const hosts = Array.from({ length: 3 }, () => connected(t, argsFor(db), { env }));
  const clients = [overHttp, ...(await Promise.all(hosts))];
  const done = clients.map(() => 0);
  const work = async (client: Client, i: number): Promise<void> => {
    while (Math.max(...done) < 200) {
      assert.deepEqual(await callJob(client, 'echo', { text: 'a' }), { said: 'a' });
      done[i] = (done[i] ?? 0) + 1;
    }
  };
  await Promise.all(clients.flatMap((client, i) => [work(client, i), work(client, i)]));
  assert.ok(Math.min(...done) >= 20, `jobs done: ${done.join(', ')}`);
  // One owner, whatever carries it: what one of them submits the others see.
  let id = '';
  const onSubmit = (jobId: string): void => void (id = jobId);
  await callJob(clients[1] ?? overHttp, 'echo', { text: 'b' }, { onSubmit });
  for (const client of clients) assert.deepEqual(await resumeJob(client, id), { said: 'b' });
  assert.equal(await server.stop(), 0);
});

test('stdout carries the protocol alone, whatever goes wrong', async (t) => {
  const folder = tempFolder(t);
  const jobs = join(folder, 'jobs.ts');
  writeFileSync(
    jobs,
    `import { defineJob } from '${new URL('../../src/index.ts', import.meta.url).href}';
import { z } from '${import.meta.resolve('zod')}';
process.emitWarning('be careful');
console.error('loaded with errors');
const job = (name, prepare, run) =>
  defineJob({ name, description: name, attempts: 1, input: z.object({}), output: z.object({}), prepare, run });
export const unprepared = job('unprepared', () => { console.warn('a'); throw new Error('broken'); }, () => ({}));
export const unrun = job('unrun', () => {}, () => { console.table([{ a: 1 }]); throw new Error('broken'); });
export const ending = job('ending', () => {}, () => { console.info('end'); process.exit(7); });
`,
  );
  const on = host(
    t,
    argsFor(join(folder, 'jobs.db'), '--jobs', jobs, '--log-level', 'debug'),
    'pipe',
  );
  on.child.stdin?.write('no JSON at all\n{"jsonrpc":"2.0"}\n[]\n');
  on.send(initialize);
  on.send({ method: 'notifications/initialized' });
  on.send({ id: 2, method: 'tools/call', params: { name: 'unprepared', arguments: {} } });
  on.send({ id: 3, method: 'nonsense' });
  let id = 10;
  for (const name of ['unrun', 'ending']) {
    const { job_id } = await call(on, (id += 1), [name, {}]);
    const wait = { job_id, wait_seconds: 20 };
    const { status } = await call(on, (id += 1), ['get_job_status', wait]);
    assert.equal(status, 'failed', name);
  }
  for (const line of on.lines) assert.equal(JSON.parse(line).jsonrpc, '2.0', line);
  assert.match(on.lines.find((line) => /"id":2\b/.test(line)) ?? '', /INTERNAL_ERROR/);
  assert.match(on.lines.find((line) => /"id":3\b/.test(line)) ?? '', /-32601/);
  assert.equal(on.lines.length, 7);
});

test('what runs when stdin ends is handed back at no attempt, and the next server goes on with it', async (t) => {
  const db = join(tempFolder(t), 'jobs.db');
  const first = host(t, argsFor(db));
  first.send(initialize);
  const { job_id } = await call(first, 2, ['nap', { ms: 1_000 }]);
  await until('it runs', async () => {
    const { status } = await call(first, first.lines.length + 10, ['get_job_status', { job_id }]);
    return status === 'running';
  });
  const ended = once(first.child, 'exit');
  first.child.stdin?.end();
  assert.deepEqual(await ended, [0, null]);
  await isGone(first.child.pid ?? 0);
  const next = host(t, argsFor(db));
  next.send(initialize);
  const done = await call(next, 2, ['get_job_status', { job_id, wait_seconds: 20 }]);
  assert.deepEqual([done['status'], done['attempts'], done['runs']], ['completed', 0, 2]);
});

test('a host that is killed leaves nothing behind, not even a worker that is blocked', async (t) => {
  const db = join(tempFolder(t), 'jobs.db');
  const args = JSON.stringify(argsFor(db, '--log-level', 'info'));
  const lines = [
    initialize,
    { id: 2, method: 'tools/call', params: { name: 'spin', arguments: {} } },
  ];
  const messages = lines.map((one) => `${JSON.stringify({ jsonrpc: '2.0', ...one })}\n`).join('');
  const script = `
    const { spawn } = require('node:child_process');
    const child = spawn(process.execPath, ${args}, { stdio: ['pipe', 'pipe', 2] });
    child.stdin.write(${JSON.stringify(messages)});
    child.stdout.pipe(process.stdout);`;
  const killed = spawn(process.execPath, ['-e', script], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const pid = killed.pid ?? 0;
  t.after(() => {
    if (processesOf(pid).length > 0) process.kill(-pid, 'SIGKILL');
  });
  let log = '';
  killed.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  createInterface({ input: killed.stdout });
  await until('the job runs', () => log.includes('"running"'));
  assert.equal(processesOf(pid).length, 3);
  killed.kill('SIGKILL');
  await isGone(pid);
});

test('a message that is too long is refused as over HTTP, whatever its form, and the connection lives on', async (t) => {
  const on = host(t, argsFor(join(tempFolder(t), 'jobs.db')), 'pipe');
  let log = '';
  on.child.stderr?.on('data', (chunk: Buffer) => (log += chunk.toString()));
  on.send(initialize);
  const text = 'x'.repeat(1_048_576);
  const params = { name: 'echo', arguments: { text } };
  on.send({ id: 2, method: 'tools/call', params });
  on.send({ method: 'tools/call', params: { ...params, id: 7 }, id: 'three' });
  on.send({ id: 4, result: { method: 'tools/call', text } });
  on.child.stdin?.write(`${text.repeat(12)}\n`);
  await call(on, 5, ['echo', { text: 'y'.repeat(1_000_000) }]);
  const refused = on.lines.flatMap((line) => {
    const { id, error } = JSON.parse(line) as {
      id: unknown;
      error?: { code: number; data: { code: string; context: object } };
    };
    return error ? [[id, error.code, error.data.code, error.data.context]] : [];
  });
  const why = [-32_600, 'PAYLOAD_TOO_LARGE', { bytes_max: 1_048_576, retryable: false }];
  assert.deepEqual(refused, [
    [2, ...why],
    ['three', ...why],
  ]);
  assert.equal(log.match(/too long/g)?.length, 4);
});
