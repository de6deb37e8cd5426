/** What waits for a lock, or fails behind one, leaves everything else whole. */
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { test } from 'node:test';
import { Client } from 'pg';
import { defineStatement } from '../../src/job/effects.ts';
import type { Job } from '../../src/job/job.ts';
import { SILENT } from '../../src/job/log.ts';
import { cancel, complete } from '../../src/job/transitions.ts';
import { openStore } from '../../src/postgres.ts';
import { Claims } from '../../src/store/postgres/claims.ts';
import { Database } from '../../src/store/postgres/database.ts';
import { Deliveries } from '../../src/store/postgres/deliveries.ts';
import * as limitSql from '../../src/store/postgres/limit-statements.ts';
import { Limits } from '../../src/store/postgres/limits.ts';
import { bind, compile, type Given } from '../../src/store/postgres/parameters.ts';
import * as jobSql from '../../src/store/postgres/statements.ts';
import type { RunningLimits, Store } from '../../src/store/store.ts';
import { aJob, claim, ownerOf } from '../support/a-job.ts';
import { postgresStores, psql } from '../support/postgres.ts';
import type { Ending } from '../support/temp.ts';
import { until } from '../support/until.ts';

const limits = (perTeam: number): RunningLimits => ({ perTeam, tools: new Map() });
const toolLimit = (max: number): RunningLimits => ({
  perTeam: 0,
  tools: new Map([['print', { max, perTeam: 0 }]]),
});

const unlimited = defineStatement<{ id: string }>({
  name: 'unlimited',
  postgres: 'UPDATE jobs SET limited = 0 WHERE id = :id',
});

async function aStore(t: Ending, inlineBytesMax = 65_536): Promise<{ url: string; store: Store }> {
  const { url, stores } = await postgresStores(t, 1, { inlineBytesMax });
  return { url, store: stores[0] as Store };
}

/** Somebody else on the database, in a transaction that the test ends. */
async function aStranger(t: Ending, url: string): Promise<Client> {
  const stranger = new Client({ connectionString: url });
  await stranger.connect();
  t.after(() => stranger.end());
  await stranger.query('BEGIN');
  return stranger;
}

async function untilOneWaits(url: string): Promise<void> {
  const text = `SELECT 1 FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  await until('one waits for a lock', async () => (await psql(url, text)).length > 0);
}

test('limits and caps are exact whatever isolation is the default of the database', async (t) => {
  const { url } = await postgresStores(t, 0);
  const name = new URL(url).pathname.slice(1);
  await psql(url, `ALTER DATABASE ${name} SET default_transaction_isolation TO 'repeatable read'`);
  const stores = await Promise.all([1, 2, 3].map(() => openStore(url)));
  t.after(() => Promise.all(stores.map((store) => store.close())));
  const answers = await Promise.allSettled(
    stores.flatMap((store) => Array.from({ length: 40 }, () => store.insert(aJob(), 30))),
  );
  assert.equal(answers.filter(({ status }) => status === 'fulfilled').length, 30);
  await Promise.all(
    stores.flatMap((store) =>
      Array.from({ length: 8 }, () => claim(store, { limits: limits(3), limit: 1 })),
    ),
  );
  assert.equal((await psql(url, `SELECT 1 FROM jobs WHERE status = 'running'`)).length, 3);
});

/** What has to be done under a lock, the lock, and what has to be there before. */
const LOCKED: readonly {
  readonly what: string;
  readonly lock: string;
  readonly params: Given;
  readonly before: (store: Store) => Promise<unknown>;
  readonly work: (store: Store, before: unknown) => Promise<unknown>;
}[] = [
  {
    what: 'a claim counts the runs of a team',
    lock: limitSql.LOCK_TEAMS,
    params: { teams: ['tem_a'] },
    before: (store) => store.insert(aJob(), 0),
    work: (store) => claim(store, { limits: limits(1) }),
  },
  {
    what: 'a claim counts the runs of a tool',
    lock: limitSql.LOCK_TOOL,
    params: { tool: 'print' },
    before: (store) => store.insert(aJob(), 0),
    work: (store) => claim(store, { limits: toolLimit(1) }),
  },
  {
    what: 'the end of a run lets the next one of its team go',
    lock: limitSql.LOCK_TEAMS,
    params: { teams: ['tem_a'] },
    async before(store) {
      await store.insert(aJob(), 0);
      return (await claim(store, { limits: limits(1) })).jobs[0];
    },
    work: (store, job) => store.apply((job as Job).id, complete(job as Job, '{}', [])),
  },
  {
    what: 'a sweep lets go what is stranded',
    lock: limitSql.LOCK_TEAMS,
    params: { teams: ['tem_a'] },
    async before(store) {
      for (let i = 0; i < 3; i += 1) await store.insert(aJob(), 0);
      const [job] = (await claim(store, { limits: limits(1) })).jobs;
      while ((await claim(store, { limits: limits(1) })).nextDueMs === 0);
      assert.ok(job);
      // As if its end had been written by a program that knows no limits.
      await store.write([unlimited({ id: job.id })]);
    },
    work: (store) => store.sweep({ retentionMs: 1e9, toolMissingMs: 1e9 }),
  },
  {
    what: 'a submission near the cap counts the open jobs of a team',
    lock: jobSql.LOCK_TEAM,
    params: { team: 'tem_a' },
    before: () => Promise.resolve(),
    work: (store) => store.insert(aJob(), 5),
  },
];

for (const { what, lock, params, before, work } of LOCKED) {
  test(`${what} while nobody else does`, async (t) => {
    const { url, store } = await aStore(t);
    const given = await before(store);
    const stranger = await aStranger(t, url);
    const compiled = compile(lock);
    await stranger.query(compiled.text, [...bind(compiled, params)]);
    let isOver = false;
    const working = work(store, given).finally(() => {
      isOver = true;
    });
    await untilOneWaits(url);
    assert.equal(isOver, false);
    await stranger.query('COMMIT');
    await working;
  });
}

test('a job that moves on while a claim waits for its row is not claimed', async (t) => {
  const { url, store } = await aStore(t);
  const { id } = await store.insert(aJob(), 0);
  const stranger = await aStranger(t, url);
  await stranger.query(
    `UPDATE jobs SET status = 'running', runs = 1, lease = 'theirs', worker = 'wrk_9',
      lease_until = 9e15::bigint WHERE id = $1`,
    [id],
  );
  const claiming = claim(store);
  await untilOneWaits(url);
  await stranger.query('COMMIT');
  assert.deepEqual((await claiming).jobs, []);
  const [row] = await psql(url, 'SELECT lease, runs FROM jobs');
  assert.deepEqual(row, { lease: 'theirs', runs: 1 });
});

test('a sweep takes no job back that was claimed anew while it looked', async (t) => {
  const { url, store } = await aStore(t);
  const { id } = await store.insert(aJob(), 0);
  await claim(store, { leaseMs: 1 });
  await pause(5);
  const stranger = await aStranger(t, url);
  await stranger.query(
    `UPDATE jobs SET runs = 2, lease = 'theirs', worker = 'wrk_9', lease_until = 9e15::bigint
      WHERE id = $1`,
    [id],
  );
  const sweeping = store.sweep({ retentionMs: 1e9, toolMissingMs: 1e9 });
  await untilOneWaits(url);
  await stranger.query('COMMIT');
  assert.deepEqual((await sweeping).moved, []);
  const [row] = await psql(url, 'SELECT status, lease FROM jobs');
  assert.deepEqual(row, { status: 'running', lease: 'theirs' });
});

test('changes that share a commit lock their jobs in one order, whoever asks for them in which', async (t) => {
  const { url, store } = await aStore(t);
  const jobs = [await store.insert(aJob(), 0), await store.insert(aJob(), 0)];
  const [first, last] = jobs.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  assert.ok(first && last);
  const stranger = await aStranger(t, url);
  await stranger.query('SELECT 1 FROM jobs WHERE id = $1 FOR UPDATE', [first.id]);
  const ends = [last, first].map((job) => store.applyAs(job.id, ownerOf(job), cancel('req_c')));
  await untilOneWaits(url);
  const free = 'SELECT 1 FROM jobs WHERE id = $1 FOR UPDATE SKIP LOCKED';
  assert.equal((await psql(url, free, [last.id])).length, 1);
  await stranger.query('COMMIT');
  for (const end of await Promise.all(ends)) assert.equal(end.outcome, 'applied');
});

test('submissions that share a commit take their keys in one order', async (t) => {
  const { url, store } = await aStore(t);
  const stranger = await aStranger(t, url);
  const take = `INSERT INTO idempotency_keys VALUES ('tem_a', 'usr_a', 'print', $1, '', '', '', 0)`;
  await stranger.query(take, ['k1']);
  const submitted = ['k2', 'k1'].map((key) =>
    store.insertOnce(aJob(), 0, { key, hash: 'h', answer: '{}', ttlMs: 60_000 }),
  );
  await untilOneWaits(url);
  await psql(url, `SET lock_timeout TO 1000; ${take.replace('$1', `'k2'`)}`);
  await psql(url, `DELETE FROM idempotency_keys`);
  await stranger.query('ROLLBACK');
  assert.deepEqual(await Promise.all(submitted), [null, null]);
});

test('a claim whose last look finds the table locked hands out what it has claimed', async (t) => {
  const { url, store } = await aStore(t);
  await claim(store, { limits: limits(4) });
  const { id } = await store.insert(aJob(), 0);
  // The commit takes a while, in which somebody queues up for the table.
  await psql(
    url,
    `CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN PERFORM pg_sleep(1); RETURN NULL; END $$;
     CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON jobs DEFERRABLE INITIALLY DEFERRED
       FOR EACH ROW EXECUTE FUNCTION late()`,
  );
  const stranger = await aStranger(t, url);
  const claiming = claim(store, { limits: limits(4) });
  const commits = `SELECT 1 FROM pg_stat_activity
    WHERE datname = current_database() AND query = 'COMMIT' AND state = 'active'`;
  await until('it commits', async () => (await psql(url, commits)).length > 0);
  await stranger.query('LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE');
  const claimed = await claiming;
  assert.deepEqual(
    claimed.jobs.map((job) => job.id),
    [id],
  );
  assert.equal(claimed.nextDueMs, null);
  await stranger.query('ROLLBACK');
});

test('a claim that cannot read the inputs of its jobs claims nothing', async (t) => {
  const { url, store } = await aStore(t, 10);
  const input = JSON.stringify({ text: 'longer than ten bytes' });
  const job = await store.insert(aJob({ input }), 0);
  await psql(url, 'ALTER TABLE job_payloads RENAME TO away');
  await assert.rejects(claim(store), /job_payloads/);
  const left = await store.get(job.id, ownerOf(job));
  assert.deepEqual([left?.status, left?.runs], ['queued', 0]);
  await psql(url, 'ALTER TABLE away RENAME TO job_payloads');
  assert.equal((await claim(store)).jobs[0]?.input, input);
});

test('nothing of a claim that failed is sent when its transaction is over', async (t) => {
  const { url, store } = await aStore(t);
  const { id } = await store.insert(aJob(), 0);
  const database = Database.open({ url, connectionsMax: 2, log: SILENT }, false);
  t.after(() => database.close());
  const deliveries = new Deliveries(database, SILENT);
  await deliveries.start();
  t.after(() => deliveries.stop());
  const settle = deliveries.settle.bind(deliveries);
  let settled = false;
  deliveries.settle = async (...given) => {
    await pause(200);
    await settle(...given).finally(() => {
      settled = true;
    });
  };
  const parts = { database, deliveries, limits: new Limits({ database, deliveries }) };
  const claims = new Claims({ ...parts, end: () => Promise.resolve(), tell: () => {} });
  const request = { worker: 'wrk_1', tools: ['print'], limit: 1, idle: true };
  await assert.rejects(claims.claim({ ...request, leaseMs: 2 ** 40 }), /out of range/);
  await until('the delivery was to be forgotten', () => settled);
  const [job] = (await claim(store)).jobs;
  assert.equal(job?.id, id);
});
