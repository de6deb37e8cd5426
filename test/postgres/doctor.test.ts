/** `doctor` on real PostgreSQL servers: what is wrong is found, with its fix, and ends with 1. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startPostgres } from '../../scripts/postgres/server.ts';
import { openStore } from '../../src/postgres.ts';
import { assertHeldJobsAreTold, examined } from '../cli/examine.ts';
import { standbyOf } from '../faults/cluster.ts';
import { faketimeLibrary, noFaketime } from '../faults/tools.ts';
import { aJob, claim } from '../support/a-job.ts';
import { emptyDatabase, psql } from '../support/postgres.ts';
import { until } from '../support/until.ts';

async function examine(DATABASE_URL: string, env: Record<string, string> = {}) {
  const found = await examined([], { DATABASE_URL, ...env });
  return { ...found, levels: found.wrong.map(({ check, level }) => `${check} ${level}`) };
}

test('a healthy database is fine, and nothing is written to it', async () => {
  const url = await emptyDatabase();
  await (await openStore(url)).close();
  const written = `SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) AS rows FROM pg_stat_user_tables
    WHERE relname = 'probe'`;
  const { code, findings, wrong } = await examine(url);
  assert.deepEqual([code, wrong], [0, []]);
  const checks = findings.map(({ check }) => check);
  for (const check of [
    'database',
    'settings',
    'clock',
    'connections',
    'size',
    'standbys',
    'workers',
  ])
    assert.ok(checks.includes(check), check);
  const versions = findings.filter(({ check }) => check === 'schema').map(({ message }) => message);
  assert.match(versions.join(' '), /"deliveries" are at version \d+ of/);
  assert.deepEqual(await psql(url, written), [{ rows: '0' }]);
});

test('jobs that nobody runs and connections that run out are found', async (t) => {
  const server = await startPostgres({ settings: { max_connections: '12' } });
  t.after(() => server.stop());
  const url = server.url('postgres');
  const store = await openStore(url);
  await store.insert(aJob({ tool: 'lost' }), 0);
  await store.insert(aJob(), 0);
  await claim(store);
  await store.close();
  await psql(
    url,
    `UPDATE jobs SET lease_until = 0 WHERE status = 'running';
     UPDATE jobs SET due_since = due_since - 3600000 WHERE status = 'queued'`,
  );
  const clients = await Promise.all(
    Array.from({ length: 7 }, () => openStore(url, { connectionsMax: 2 })),
  );
  t.after(async () => void (await Promise.all(clients.map((client) => client.close()))));
  await Promise.all(clients.map((client) => client.health()));
  const { code, wrong, levels } = await examine(url);
  assert.equal(code, 1);
  assert.deepEqual(levels, [
    'connections warning',
    'workers error',
    'stuck jobs error',
    'stuck jobs error',
  ]);
  assert.match(wrong[3]?.message ?? '', /1 jobs of "lost" are queued, the oldest for 1 h/);
});

test('jobs that limits hold are counted, and those that nothing lets go are told apart', async () => {
  const url = await emptyDatabase();
  const store = await openStore(url);
  await assertHeldJobsAreTold(store, () => examine(url));
});

test('a standby that commits do not wait for is shown, as is one that they wait for in vain', async (t) => {
  const primary = await startPostgres();
  t.after(() => primary.stop());
  const url = primary.url('postgres');
  await (await openStore(url)).close();
  const standby = await standbyOf(t, primary);
  await until('it follows', async () => {
    const [row] = await psql(url, `SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'`);
    return row !== undefined;
  });
  const asynchronous = await examine(url);
  assert.deepEqual([asynchronous.code, asynchronous.levels], [0, ['standbys warning']]);
  assert.match(asynchronous.wrong[0]?.message ?? '', /1 async.*loses the last jobs/);
  const followed = await examine(standby.url('postgres'));
  assert.deepEqual([followed.code, followed.levels], [1, ['database error']]);
  assert.match(followed.wrong[0]?.message ?? '', /is a standby/);
  await psql(url, `ALTER SYSTEM SET synchronous_standby_names TO 'elsewhere'`);
  await psql(url, 'SELECT pg_reload_conf()');
  const waiting = await examine(url);
  assert.deepEqual([waiting.code, waiting.levels], [1, ['standbys error']]);
});

test('a clock that differs from that of the database is found', async (t) => {
  const missing = noFaketime();
  if (missing !== null) return t.skip(`NOT RUN: ${missing}`);
  const url = await emptyDatabase();
  await (await openStore(url)).close();
  const { code, levels, wrong } = await examine(url, {
    LD_PRELOAD: faketimeLibrary() ?? '',
    FAKETIME: '+60',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    DONT_FAKE_MONOTONIC: '1',
  });
  assert.deepEqual([code, levels], [0, ['clock warning']]);
  assert.match(wrong[0]?.message ?? '', /(59|60)\.\d s behind that of this machine/);
});
