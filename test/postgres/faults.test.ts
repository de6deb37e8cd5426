/** What is left when the database, or the way to it, goes away. */
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { suite, test } from 'node:test';
import { Client } from 'pg';
import { startPostgres } from '../../scripts/postgres/server.ts';
import { JobError } from '../../src/job/errors.ts';
import { defineStatement } from '../../src/index.ts';
import { cancel, complete } from '../../src/job/transitions.ts';
import { SILENT } from '../../src/job/log.ts';
import { openStore } from '../../src/postgres.ts';
import { Database } from '../../src/store/postgres/database.ts';
import type { Store } from '../../src/store/store.ts';
import { aJob, aJobThatIs, claim, who } from '../support/a-job.ts';
import { Cable } from '../faults/cable.ts';
import { standbyOf } from '../faults/cluster.ts';
import { Seeded } from '../faults/random.ts';
import { emptyDatabase, psql, thePostgres, watchSetting } from '../support/postgres.ts';
import type { Ending } from '../support/temp.ts';
import { until } from '../support/until.ts';

const RETRYABLE = ['STORE_BUSY', 'STORE_UNKNOWN'];

/** A server of the test's own, to be killed. */
async function aServer(t: Ending) {
  const server = await startPostgres();
  t.after(() => server.stop());
  return server;
}

async function aStore(t: Ending, url: string): Promise<Store> {
  const store = await openStore(url);
  t.after(() => store.close());
  return store;
}

test('a killed database loses nothing that was acknowledged and doubles nothing', async (t) => {
  const server = await aServer(t);
  const [submitter, worker] = [
    await aStore(t, server.url('postgres')),
    await aStore(t, server.url('postgres')),
  ];
  const acknowledged: string[] = [];
  const errors: unknown[] = [];
  let settled = 0;
  const over = new AbortController();
  const submitting = Array.from({ length: 8 }, async () => {
    while (!over.signal.aborted) {
      try {
        acknowledged.push((await submitter.insert(aJob(), 0)).id);
      } catch (error) {
        errors.push(error);
      }
    }
  });
  const working = Array.from({ length: 3 }, async (_, i) => {
    while (!over.signal.aborted) {
      try {
        const { jobs } = await claim(worker, { worker: `wrk_${i}`, limit: 20, leaseMs: 2_000 });
        for (const job of jobs) {
          const { outcome } = await worker.apply(job.id, complete(job, '{}', []));
          if (outcome === 'applied') settled += 1;
        }
        if (jobs.length === 0) await pause(5);
      } catch (error) {
        errors.push(error);
      }
    }
  });
  const back: number[] = [];
  for (let i = 0; i < 3; i += 1) {
    await pause(700);
    await server.kill();
    await server.start();
    const before = acknowledged.length + settled;
    const at = performance.now();
    await until('work goes on', () => acknowledged.length + settled > before + 1);
    back.push(performance.now() - at);
  }
  await pause(300);
  over.abort();
  await Promise.all([...submitting, ...working]);
  const ids = new Set(
    (await psql<{ id: string }>(server.url('postgres'), 'SELECT id FROM jobs')).map(({ id }) => id),
  );
  assert.ok(acknowledged.length > 100, String(acknowledged.length));
  assert.deepEqual(
    acknowledged.filter((id) => !ids.has(id)),
    [],
  );
  assert.equal(new Set(acknowledged).size, acknowledged.length);
  for (const error of errors) {
    assert.ok(error instanceof JobError && RETRYABLE.includes(error.code), String(error));
    assert.equal(error.context['retryable'], true);
  }
  assert.ok(
    back.every((ms) => ms < 5_000),
    back.join(' '),
  );
});

test('every connection has timeouts and keepalives, whatever the server has by default', async (t) => {
  const store = await aStore(t, await emptyDatabase());
  const names = ['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout'];
  const keepalives = ['tcp_keepalives_idle', 'tcp_keepalives_interval', 'tcp_keepalives_count'];
  const settings = defineStatement<Record<string, never>, { name: string; setting: string }>({
    name: 'settings',
    sqlite: 'SELECT 1',
    postgres: `SELECT name, setting FROM pg_settings
      WHERE name IN (${[...names, ...keepalives].map((name) => `'${name}'`).join(', ')}) ORDER BY name`,
  });
  assert.deepEqual(
    (await store.read(settings, {})).map(({ name, setting }) => `${name} ${setting}`),
    [
      'idle_in_transaction_session_timeout 5000',
      'lock_timeout 5000',
      'statement_timeout 10000',
      'tcp_keepalives_count 4',
      'tcp_keepalives_idle 5',
      'tcp_keepalives_interval 2',
    ],
  );
});

test('what the address asks for by `options` holds beside our own settings', async (t) => {
  const url = await emptyDatabase();
  await psql(url, 'CREATE SCHEMA app');
  const settings = defineStatement<Record<string, never>>({
    name: 'settings',
    sqlite: 'SELECT 1',
    postgres: `SELECT current_setting('search_path') AS path, current_setting('tcp_keepalives_idle')
      AS idle, current_setting('plan_cache_mode') AS plans, current_setting('work_mem') AS memory`,
  });
  for (const given of [
    '-c search_path=app,public -c work_mem=8MB',
    '-c%20search_path%3Dapp%2Cpublic%20-c%20work_mem%3D8MB',
    '-c+search_path=app,public+-cwork_mem=8MB',
  ]) {
    const store = await aStore(t, `${url}?options=${given}&application_name=mine`);
    assert.deepEqual(await store.read(settings, {}), [
      { path: 'app,public', idle: '5', plans: 'force_custom_plan', memory: '8MB' },
    ]);
  }
  assert.deepEqual(await psql(url, "SELECT to_regclass('app.jobs')::text AS jobs"), [
    { jobs: 'app.jobs' },
  ]);
});

test('however much is asked for, there are never more connections than said, and the one that listens', async (t) => {
  const url = await emptyDatabase();
  const store = await openStore(url, { connectionsMax: 3 });
  t.after(() => store.close());
  store.onDue(() => {});
  const over = new AbortController();
  const counts: number[] = [];
  const counting = (async () => {
    while (!over.signal.aborted) {
      const [row] = await psql<{ own: number }>(
        url,
        `SELECT count(*)::int AS own FROM pg_stat_activity
          WHERE datname = current_database() AND application_name = 'mcp-async-jobs'`,
      );
      counts.push(row?.own ?? 0);
    }
  })();
  for (let i = 0; i < 10; i += 1) {
    const jobs = await Promise.all(Array.from({ length: 40 }, () => store.insert(aJob(), 0)));
    await Promise.all([
      ...jobs.map(({ id }) => store.get(id, who())),
      claim(store),
      store.health(),
    ]);
  }
  over.abort();
  await counting;
  assert.ok(counts.length > 3, String(counts.length));
  assert.equal(Math.max(...counts), 4);
});

test('a server that would lose data in a power cut is refused', async (t) => {
  for (const setting of ['fsync', 'full_page_writes']) {
    const server = await startPostgres({ settings: { [setting]: 'off' } });
    t.after(() => server.stop());
    await assert.rejects(openStore(server.url('postgres')), (error: JobError) => {
      assert.match(error.message, new RegExp(`${setting} is off`));
      return true;
    });
  }
});

test('a standby is asked nothing, not even what it could tell', async (t) => {
  const standby = await standbyOf(t, await aServer(t));
  await assert.rejects(
    openStore(standby.url('postgres')),
    /it is a standby, which takes no writes/,
  );
  for (const isPooled of [false, true]) {
    const options = { url: standby.url('postgres'), connectionsMax: 1, log: SILENT };
    const database = Database.open(options, isPooled);
    t.after(() => database.close());
    await assert.rejects(database.query('SELECT 1', {}, 100), { code: 'STORE_BUSY' });
  }
});

test('a commit that a standby was not waited for is told as unknown', async (t) => {
  const server = await aServer(t);
  const url = server.url('postgres');
  const store = await aStore(t, url);
  await store.insert(aJob(), 0);
  await psql(url, `ALTER SYSTEM SET synchronous_standby_names TO 'elsewhere'`);
  await psql(url, 'SELECT pg_reload_conf()');
  await until('the setting is read', async () => {
    const [row] = await psql(url, 'SHOW synchronous_standby_names');
    return row?.['synchronous_standby_names'] === 'elsewhere';
  });
  const refused = assert.rejects(store.insert(aJob(), 0), { code: 'STORE_UNKNOWN' });
  const cancelled = `SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'`;
  await until('the wait for the standby was ended', async () => {
    return (await psql(url, cancelled)).length > 0;
  });
  await refused;
  await psql(url, `ALTER SYSTEM RESET synchronous_standby_names`);
  await psql(url, 'SELECT pg_reload_conf()');
});

/** Writes down under which setting it is committed. */
const see = defineStatement({
  name: 'see',
  postgres: `INSERT INTO seen VALUES (current_setting('synchronous_commit'))`,
});

test('what is acknowledged is on the disk, whatever the server does by default', async (t) => {
  const url = await emptyDatabase();
  await psql(url, `ALTER DATABASE ${new URL(url).pathname.slice(1)} SET synchronous_commit TO off`);
  const warnings: string[] = [];
  const log = { debug() {}, info() {}, error() {}, warn: (_: object, m = '') => warnings.push(m) };
  const store = await openStore(url, { log });
  t.after(() => store.close());
  assert.match(warnings.join(), /synchronous_commit is off/);
  const seen = await watchSetting(url, 'synchronous_commit');
  await store.insert(aJob(), 0);
  const [job] = (await claim(store)).jobs;
  assert.ok(job);
  await store.apply(job.id, complete(job, '{}', []));
  const other = await aJobThatIs(store, 'running');
  await store.apply(other.id, complete(other, '{}', [see({})]));
  await store.write([see({})]);
  await store.applyAs((await store.insert(aJob(), 0)).id, who(), cancel('req_2'));
  assert.deepEqual(
    await seen(),
    Array.from({ length: 10 }, () => 'on'),
  );
});

test('a commit whose answer is lost is told as unknown, and is not made again', async (t) => {
  const url = await emptyDatabase();
  const store = await aStore(t, url);
  await store.insert(aJob(), 0);
  await psql(
    url,
    `CREATE FUNCTION end_it() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN PERFORM nextval('ends'); PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
     CREATE SEQUENCE ends;
     CREATE CONSTRAINT TRIGGER end_it AFTER INSERT ON jobs DEFERRABLE INITIALLY DEFERRED
       FOR EACH ROW EXECUTE FUNCTION end_it()`,
  );
  await assert.rejects(store.insert(aJob(), 0), { code: 'STORE_UNKNOWN' });
  const [row] = await psql(url, 'SELECT last_value::int AS ends FROM ends');
  assert.equal(row?.['ends'], 1);
});

test('an address that cannot be used is refused without being repeated', async () => {
  for (const url of ['mysql://u:secret@h/d', 'postgres://u:secret@[/d', 'secret']) {
    await assert.rejects(openStore(url), (error: JobError) => {
      assert.doesNotMatch(`${error.message} ${error.remediation} ${String(error.cause)}`, /secret/);
      return true;
    });
  }
});

suite('what takes long, at once', { concurrency: true }, () => {
  test('while the database is away every call ends in a typed error, within fifteen seconds', async (t) => {
    const server = await aServer(t);
    const store = await aStore(t, server.url('postgres'));
    await store.insert(aJob(), 0);
    await server.kill();
    const at = performance.now();
    const answers = await Promise.allSettled([
      store.insert(aJob(), 0),
      store.get('mjb_1', who()),
      claim(store),
      store.write([]),
      store.renew([{ id: 'mjb_1', lease: 'x' }], 1_000),
      store.sweep({ retentionMs: 1, toolMissingMs: 1 }),
    ]);
    for (const answer of answers) {
      assert.equal(answer.status, 'rejected');
      assert.equal(answer.reason.code, 'STORE_BUSY');
    }
    assert.ok(performance.now() - at < 15_000);
    assert.deepEqual(await store.health(), { writable: false, workers: 0 });
    await server.start();
    await store.insert(aJob(), 0);
  });

  test(
    'a table that somebody has locked holds calls up for seconds, not for ever, and no connection is lost by it',
    { timeout: 60_000 },
    async (t) => {
      const url = await emptyDatabase();
      const store = await aStore(t, url);
      const { id } = await store.insert(aJob(), 0);
      const stranger = new Client({ connectionString: url });
      await stranger.connect();
      t.after(() => stranger.end());
      await stranger.query('BEGIN; LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE');
      const at = performance.now();
      const answers = await Promise.allSettled([
        store.insert(aJob(), 0),
        store.get(id, who()),
        claim(store),
        store.renew([{ id, lease: 'x' }], 1_000),
      ]);
      for (const answer of answers) {
        assert.equal(answer.status, 'rejected');
        assert.equal((answer.reason as JobError).code, 'STORE_BUSY');
      }
      assert.ok(performance.now() - at < 20_000, String(performance.now() - at));
      await stranger.query('ROLLBACK');
      assert.equal((await store.get(id, who()))?.status, 'queued');
      await store.insert(aJob(), 0);
    },
  );

  test(
    'half-open connections are found, and work goes on over new ones',
    { timeout: 60_000 },
    async (t) => {
      const { port } = await thePostgres();
      const url = await emptyDatabase();
      const cable = await Cable.to(t, port, new Seeded(1));
      const store = await aStore(t, cable.through(url));
      await store.insert(aJob(), 0);
      cable.set('silent');
      const at = performance.now();
      const waiting = store.insert(aJob(), 0).then(
        () => 'kept',
        (error: JobError) => error.code,
      );
      const found = await waiting;
      assert.ok(performance.now() - at < 15_000, String(performance.now() - at));
      assert.equal(found, 'STORE_BUSY');
      cable.cut();
      cable.set('fair');
      await store.insert(aJob(), 0);
      // Whatever the cut transaction held was let go by the server itself.
      await until(
        'no transaction of the cut connection is left',
        async () => {
          const [row] = await psql<{ open: string }>(
            url,
            `SELECT count(*) AS open FROM pg_stat_activity
            WHERE datname = current_database() AND state LIKE 'idle in transaction%'`,
          );
          return row?.open === '0';
        },
        { ms: 15_000 },
      );
    },
  );
});
