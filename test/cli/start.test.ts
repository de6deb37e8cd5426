/** `start` and `worker` as processes: what they say, how they stop, what they keep to themselves. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  closeSync,
  constants,
  existsSync,
  openSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { cli, processesOf, running } from '../../scripts/cli-process.ts';
import { tempFolder } from '../support/temp.ts';
import { until } from '../support/until.ts';
import { aServer, aToken, dataOf, errorOf, JOBS, started } from './a-server.ts';

type Data = Record<string, unknown>;

test('the first line says where it listens, and SIGTERM ends it with 0', async (t) => {
  const db = join(tempFolder(t), 'jobs.db');
  const server = await started(t, ['start', '--db', db, '--port', '0', '--json']);
  const { event, url, public_url: publicUrl, pid, workers } = server.event;
  assert.match(String(url), /^http:\/\/127\.0\.0\.1:\d+\/mcp$/);
  assert.deepEqual(
    { event, pid, workers, publicUrl },
    { event: 'listening', pid: server.pid, workers: 1, publicUrl: new URL('/', server.url).origin },
  );
  assert.equal((await fetch(new URL('/healthz', server.url))).status, 200);
  assert.deepEqual(
    server.event['worker_pids'],
    processesOf(server.pid).filter((p) => p !== pid),
  );
  assert.equal(statSync(`${db}.key`).mode & 0o777, 0o600);
  assert.equal(await server.stop(), 0);
  for (const line of server.log().trimEnd().split('\n'))
    assert.ok('level' in JSON.parse(line), line);
  assert.match(server.log(), /"msg":"stopped"\}\n$/);
});

test('a start for nobody asks nothing and shows no secret where there is no terminal', async (t) => {
  const db = join(tempFolder(t), 'jobs.db');
  const server = await started(t, ['start', '--db', db, '--port', '0', '--json']);
  await until('the hint is given', () => server.log().includes('token create'));
  assert.doesNotMatch(server.log() + JSON.stringify(server.event), /mpt_/);
});

test('a running job does not keep it from stopping, and costs no attempt', async (t) => {
  const { server, db, call } = await aServer(t, '--jobs', JOBS);
  const submitted = dataOf(await call('call', 'linger', '--json'))['data'] as Data;
  const id = String(submitted['job_id']);
  const read = async (): Promise<Data> =>
    dataOf(await call('jobs', 'get', id, '--json'))['data'] as Data;
  await until('the job runs', async () => (await read())['status'] === 'running');
  const at = performance.now();
  assert.equal(await server.stop(), 0);
  assert.ok(performance.now() - at < 10_000);

  const idle = ['--workers', '0', '--jobs', JOBS];
  const port = new URL(server.url).port;
  await started(t, ['start', '--db', db, '--port', port, '--json', ...idle]);
  const { status, attempts, runs } = await read();
  assert.deepEqual({ status, attempts, runs }, { status: 'running', attempts: 0, runs: 1 });
});

test('a second signal ends it at once', async (t) => {
  const { server, call } = await aServer(t, '--jobs', JOBS);
  const submitted = dataOf(await call('call', 'spin', '--json'))['data'] as Data;
  await until('the job runs', () => server.log().includes(`"${String(submitted['job_id'])}"`));
  process.kill(server.pid, 'SIGTERM');
  await until('it stops', () => server.log().includes('"msg":"stopping"'));
  const at = performance.now();
  assert.equal(await server.stop(), 143);
  assert.ok(performance.now() - at < 3_000);
});

test('a log that nobody reads holds up no call, and no signal', async (t) => {
  const folder = tempFolder(t);
  const pipe = join(folder, 'log');
  execFileSync('mkfifo', [pipe]);
  // Opened for both, so that it has a reader, which reads nothing.
  const filling = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK);
  const stderr = openSync(pipe, constants.O_WRONLY);
  t.after(() => [filling, stderr].forEach(closeSync));
  assert.throws(() => {
    for (;;) writeSync(filling, 'x'.repeat(4_096));
  }, /EAGAIN/);
  const args = ['start', '--db', join(folder, 'jobs.db'), '--port', '0', '--json'];
  const server = await running(args, { stderr });
  t.after(async () => void (await server.kill()));
  const isReady = async () => (await fetch(new URL('/readyz', server.url))).ok;
  await until('it takes calls', isReady);
  const late = setTimeout(() => void server.kill(), 10_000);
  assert.equal(await server.stop(), 0);
  clearTimeout(late);
});

test('workers of their own run the jobs of a server that has none', async (t) => {
  const { db, call } = await aServer(t, '--jobs', JOBS, '--workers', '0');
  const worker = await started(t, ['worker', '--db', db, '--jobs', JOBS, '--json']);
  assert.equal(worker.event['event'], 'ready');
  const said = await call('call', 'echo', 'text=over here', '--wait', '--json');
  assert.equal(said.code, 0, said.stderr);
  assert.equal(await worker.stop(), 0);
});

test('definitions of your own bring no access-code tables', async (t) => {
  const { db, call } = await aServer(t, '--jobs', JOBS);
  const file = new DatabaseSync(db, { readOnly: true });
  const tables = file.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
  file.close();
  assert.ok(tables.length > 0);
  assert.deepEqual(
    tables.filter(({ name }) => /codes|plans|batches/.test(String(name))),
    [],
  );
  assert.ok(!existsSync(`${db}.key`));
  const unknown = await call('call', 'list_plans', '--json');
  assert.equal(unknown.code, 5);
});

test('secrets of the environment reach no worker', async (t) => {
  const db = join(tempFolder(t), 'jobs.db');
  const token = await aToken(db);
  const env = {
    MCP_ASYNC_JOBS_KEY: randomBytes(32).toString('base64url'),
    MCP_ASYNC_JOBS_TOKEN: token,
  };
  const args = ['start', '--db', db, '--port', '0', '--json', '--jobs', JOBS];
  const server = await started(t, args, env);
  const caller = ['--url', server.url, '--token', token, '--wait', '--json'];
  const asked = await cli(['call', 'environment', ...caller]);
  assert.deepEqual((dataOf(asked)['data'] as Data)['result'], { said: '' });
  assert.ok(!server.log().includes(token) && !server.log().includes(env.MCP_ASYNC_JOBS_KEY));
});

test('what cannot be started says why, and ends with 1', async (t) => {
  const folder = tempFolder(t);
  const db = ['--db', join(folder, 'jobs.db'), '--json'];
  const taken = createServer().listen(0, '127.0.0.1');
  t.after(() => taken.close());
  await once(taken, 'listening');
  const text = join(folder, 'text.db');
  writeFileSync(text, 'not a database');
  const empty = join(folder, 'empty.ts');
  writeFileSync(empty, 'export const nothing = 1;\n');
  const cases: readonly (readonly [RegExp, readonly string[]])[] = [
    [/cannot be opened or made/, ['--db', join(folder, 'missing', 'jobs.db')]],
    [/not a database/, ['--db', text]],
    [/in use/, ['--port', String((taken.address() as AddressInfo).port)]],
    [/no such file/, ['--jobs', join(folder, 'missing.ts')]],
    [/exports no definition/, ['--jobs', empty]],
    [/0\.\.64/, ['--workers', '65']],
    [/absolute http/, ['--public-url', 'jobs.example.com']],
    [/me:\[secret\]@.* without a user/, ['--public-url', 'https://me:hunter2@example.com']],
    [/cannot be used with/, ['--jobs', JOBS, '--max-quantity', '5']],
    [/Did you mean --port/, ['--prot', '1']],
  ];
  for (const [why, args] of cases) {
    const ended = await cli(['start', ...db, ...args]);
    assert.deepEqual([ended.code, ended.stdout], [1, ''], args.join(' '));
    assert.match(String(errorOf(ended)['message']), why);
  }
});
