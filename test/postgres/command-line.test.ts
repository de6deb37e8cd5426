/** The product on PostgreSQL as operators run it: several servers and workers on one database. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { cli, processesOf, type Ended, type Running } from '../../scripts/cli-process.ts';
import { local, serve } from '../../src/http.ts';
import { aToken, dataOf, errorOf, JOBS, started } from '../cli/a-server.ts';
import { emptyDatabase } from '../support/postgres.ts';
import { tempFolder, type Ending } from '../support/temp.ts';
import { until } from '../support/until.ts';

type Data = Record<string, unknown>;
type Call = (...args: readonly string[]) => Promise<Ended>;

const PASSWORD = 'not-to-be-seen';
const FAST = ['--lease-seconds', '2'];

/** An address with a password, which this server does not ask for. */
async function aDatabase(): Promise<string> {
  const url = new URL(await emptyDatabase());
  url.password = PASSWORD;
  return url.href;
}

function start(t: Ending, db: string, ...more: readonly string[]): Promise<Running> {
  const args = ['start', '--port', '0', '--rate-limit', '0', '--json', ...more];
  return started(t, args, { DATABASE_URL: db });
}

const callOf =
  ({ url }: Pick<Running, 'url'>, token = 'none'): Call =>
  (...args) =>
    cli(args, { env: { MCP_ASYNC_JOBS_URL: url, MCP_ASYNC_JOBS_TOKEN: token } });

async function jobOf(call: Call, id: string): Promise<Data> {
  return dataOf(await call('jobs', 'get', id, '--json'))['data'] as Data;
}

async function submit(call: Call, ...args: readonly string[]): Promise<string> {
  const { data } = dataOf(await call('call', ...args, '--json')) as { data: Data };
  return String(data['job_id']);
}

async function twoServers(t: Ending) {
  const db = await aDatabase();
  const token = await aToken(db);
  const one = await start(t, db, '--jobs', JOBS, '--workers', '0');
  const other = await start(t, db, '--jobs', JOBS, '--workers', '0');
  return { db, token, one, other, onOne: callOf(one, token), onOther: callOf(other, token) };
}

const work = (t: Ending, db: string, ...more: readonly string[]): Promise<Running> =>
  started(t, ['worker', '--jobs', JOBS, '--json', ...more], { DATABASE_URL: db });

test('what one server is given, another one shows, waits for and cancels', async (t) => {
  const { db, onOne, onOther } = await twoServers(t);
  await work(t, db);
  const napping = await submit(onOne, 'nap', 'ms=300');
  const { data } = dataOf(await onOther('watch', napping, '--json')) as { data: Data };
  assert.deepEqual([data['status'], data['result']], ['completed', { said: '300 ms' }]);

  const lingering = await submit(onOne, 'linger');
  await until('it runs', async () => (await jobOf(onOther, lingering))['status'] === 'running');
  const waiting = onOne('watch', lingering, '--json');
  const at = performance.now();
  const cancelled = await onOther('jobs', 'cancel', lingering, '--json');
  assert.equal(cancelled.code, 0, cancelled.stderr);
  assert.equal((await waiting).code, 6);
  assert.ok(performance.now() - at < 5_000, 'who waits elsewhere is told at once');
  // The worker is free again, so the cancel has reached it.
  const next = await onOne('call', 'echo', 'text=on', '--wait', '--json');
  assert.equal(next.code, 0, next.stderr);
});

test('jobs of a killed server and a killed worker are finished by the others', async (t) => {
  const { db, one, onOne, onOther } = await twoServers(t);
  const [first] = [await work(t, db, ...FAST), await work(t, db, ...FAST)];
  const ids = await Promise.all([1, 2].map(() => submit(onOne, 'nap', 'ms=6000')));
  await until('both workers are busy', async () => {
    const listed = dataOf(await onOther('jobs', 'list', '--json'))['data'] as Data[];
    return listed.filter(({ status }) => status === 'running').length === 2;
  });
  await Promise.all([one.kill(), first.kill()]);
  const ended = await Promise.all(ids.map((id) => onOther('watch', id, '--json')));
  const jobs = ended.map((said) => dataOf(said)['data'] as Data);
  assert.ok(jobs.every(({ status }) => status === 'completed'));
  assert.ok(jobs.some(({ runs }) => runs === 2));
});

test('serve takes the address of a database as it takes a path', async (t) => {
  const options = { jobs: pathToFileURL(JOBS), identify: local(), inProcess: true, port: 0 };
  const one = await serve({ ...options, db: await emptyDatabase() });
  t.after(() => one.close());
  assert.equal(one.store.engine, 'postgres');
  const echoed = await callOf(one)('call', 'echo', 'text=hi', '--wait', '--json');
  assert.equal(echoed.code, 0, echoed.stderr);
});

test('a revoked token is refused by every server from the next call on', async (t) => {
  const { db, token, onOne, onOther } = await twoServers(t);
  for (const call of [onOne, onOther]) assert.equal((await call('jobs', 'list')).code, 0);
  const [, , id = ''] = token.split('_');
  const revoked = await cli(['token', 'revoke', id, '--json'], { env: { DATABASE_URL: db } });
  assert.equal(revoked.code, 0, revoked.stderr);
  for (const call of [onOne, onOther]) assert.equal((await call('jobs', 'list')).code, 3);
});

test('the password of the database stands in no line, no error and no environment', async (t) => {
  const { db, one, onOne } = await twoServers(t);
  const worker = await work(t, db);
  await onOne('call', 'echo', 'text=x', '--wait');
  for (const { pid } of [one, worker]) {
    for (const child of processesOf(pid).filter((other) => other !== pid)) {
      assert.ok(!readFileSync(`/proc/${child}/environ`, 'utf8').includes(PASSWORD));
    }
  }
  const away = new URL(db);
  away.port = '1';
  const said = await Promise.all([
    cli(['token', 'list', '--db', db]),
    cli(['start', '--db', db.replace('127.0.0.1', '[')]),
    cli(['start', `--database=${db}`]),
    cli(['doctor', '--db', db, '--json']),
    cli(['migrate', 'status', '--db', away.href]),
    cli(['start', '--help'], { env: { DATABASE_URL: db, MCP_ASYNC_JOBS_DB: db } }),
  ]);
  const texts = said.map(({ stdout, stderr }) => stdout + stderr);
  texts.push(one.log(), worker.log(), JSON.stringify([one.event, worker.event]));
  for (const text of texts) assert.ok(!text.includes(PASSWORD), text);
  assert.match(texts[2] ?? '', /\[secret\]/);
  assert.match(texts[4] ?? '', /does not answer: connect ECONNREFUSED/);
});

test('the application of access codes needs a key that every machine has', async (t) => {
  const db = await aDatabase();
  const env = { DATABASE_URL: db };
  const without = await cli(['start', '--port', '0', '--json'], { env });
  assert.equal(without.code, 1);
  assert.equal(errorOf(without)['code'], 'NO_KEY');
  assert.match(String(errorOf(without)['remediation']), /--key-file <file>.*MCP_ASYNC_JOBS_KEY/);
  const keyFile = join(tempFolder(t), 'codes.key');
  const server = await start(t, db, '--key-file', keyFile);
  assert.ok(existsSync(keyFile));
  assert.equal(await server.stop(), 0);
  const other = ['--key-file', `${keyFile}.other`];
  const stranger = await cli(['start', '--port', '0', '--json', ...other], { env });
  assert.match(String(errorOf(stranger)['message']), /is missing, and this database was made/);
  const MCP_ASYNC_JOBS_KEY = readFileSync(keyFile, 'utf8').trim();
  const args = ['start', '--port', '0', '--json'];
  await started(t, args, { ...env, MCP_ASYNC_JOBS_KEY });
});

test('a server that may not migrate starts after `migrate apply` and not before', async (t) => {
  const db = await aDatabase();
  const env = { DATABASE_URL: db };
  const args = ['--no-migrate', '--jobs', JOBS];
  const early = await cli(['start', '--port', '0', '--json', ...args], { env });
  assert.equal(early.code, 1);
  assert.match(String(errorOf(early)['message']), /migrate apply/);
  const run = async (verb: string) =>
    dataOf(await cli(['migrate', verb, '--jobs', JOBS, '--json'], { env }))['data'] as Data[];
  const planned = await run('plan');
  assert.deepEqual(
    new Set(planned.map(({ namespace }) => namespace)),
    new Set(['jobs', 'team', 'deliveries']),
  );
  for (const rows of [await run('apply'), await run('status')]) {
    assert.ok(rows.every(({ found, wanted }) => found === wanted));
  }
  assert.deepEqual(await run('plan'), []);
  await start(t, db, ...args);
});
