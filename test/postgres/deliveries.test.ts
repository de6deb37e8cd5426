/** Hand-out rests on pg-boss, and no promise does: the job row is the truth. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defineStatement } from '../../src/index.ts';
import { cancel, complete, handBack } from '../../src/job/transitions.ts';
import { deliveryId, queueOf } from '../../src/store/postgres/deliveries.ts';
import type { Store } from '../../src/store/store.ts';
import { aJob, applied, claim, ownerOf, who } from '../support/a-job.ts';
import { postgresStores, psql } from '../support/postgres.ts';
import type { Ending } from '../support/temp.ts';

const nothing = defineStatement({ name: 'nothing', postgres: 'DELETE FROM workers WHERE false' });
const DELIVERIES = 'mcp_async_jobs_delivery.job';
const YEAR_MS = 31_536_000_000;

const sweep = (store: Store) => store.sweep({ retentionMs: YEAR_MS, toolMissingMs: YEAR_MS });

async function aStore(t: Ending): Promise<{ url: string; store: Store }> {
  const { url, stores } = await postgresStores(t, 1);
  return { url, store: stores[0] as Store };
}

async function deliveries(url: string): Promise<string[]> {
  return (await psql<{ id: string }>(url, `SELECT id FROM ${DELIVERIES}`)).map(({ id }) => id);
}

/** Let the rows of our own table look as if they had been due for longer. */
async function age(url: string, ms: number): Promise<void> {
  await psql(url, `UPDATE jobs SET due_since = due_since - $1 WHERE status = 'queued'`, [ms]);
}

test('a queued job has one delivery, a claimed one has none', async (t) => {
  const { url, store } = await aStore(t);
  const { id } = await store.insert(aJob(), 0);
  assert.deepEqual(await deliveries(url), [deliveryId(id, 0)]);
  const [job] = (await claim(store)).jobs;
  assert.ok(job);
  assert.deepEqual(await deliveries(url), []);
  await store.apply(id, handBack(job));
  assert.deepEqual(await deliveries(url), [deliveryId(id, 1)]);
});

test('without deliveries nothing is handed out, although the rows are due', async (t) => {
  const { url, store } = await aStore(t);
  const { id } = await store.insert(aJob(), 0);
  await psql(url, `DELETE FROM ${DELIVERIES}`);
  assert.deepEqual((await claim(store)).jobs, []);
  assert.equal((await store.get(id, who()))?.status, 'queued');
});

test('a lost delivery is made again once its job has been due for a minute', async (t) => {
  const { url, store } = await aStore(t);
  const { id } = await store.insert(aJob(), 0);
  await psql(url, `DELETE FROM ${DELIVERIES}`);
  await age(url, 50_000);
  await sweep(store);
  assert.deepEqual((await claim(store)).jobs, []);
  await age(url, 11_000);
  await sweep(store);
  assert.deepEqual(
    (await claim(store)).jobs.map((job) => job.id),
    [id],
  );
});

test('what a limit holds has no delivery; the end of a run makes one, and an end that is undone none', async (t) => {
  const { url, store } = await aStore(t);
  const ids: string[] = [];
  for (let i = 0; i < 5; i += 1) ids.push((await store.insert(aJob(), 0)).id);
  const limits = { perTeam: 1, tools: new Map() };
  const [job] = (await claim(store, { limits })).jobs;
  assert.ok(job);
  assert.deepEqual((await claim(store, { limits })).jobs, []);
  assert.deepEqual(await deliveries(url), []);
  await age(url, 3_600_000);
  await sweep(store);
  const next = deliveryId(ids[1] ?? '', 0);
  assert.deepEqual(await deliveries(url), [next], 'one is let go, to see whether there is room');
  assert.deepEqual((await claim(store, { limits })).jobs, []);
  await sweep(store);
  assert.deepEqual(await deliveries(url), [], 'nobody looks at them again and again');
  const refused = await store.apply(job.id, complete(job, '{}', [nothing({}, { expect: 1 })]));
  assert.equal(refused.outcome, 'refused');
  assert.deepEqual(await deliveries(url), []);
  assert.equal((await store.apply(job.id, complete(job, '{}', []))).outcome, 'applied');
  assert.deepEqual(await deliveries(url), [next]);
  await psql(url, `DELETE FROM ${DELIVERIES}`);
  await age(url, 61_000);
  await sweep(store);
  assert.deepEqual(await deliveries(url), [next], 'lost, it is made again like any other');
});

test('many lost deliveries come back a thousand at a time, all of them', async (t) => {
  const { url, store } = await aStore(t);
  await Promise.all(Array.from({ length: 2_300 }, () => store.insert(aJob(), 0)));
  await psql(url, `DELETE FROM ${DELIVERIES}`);
  await age(url, 61_000);
  const counts: number[] = [];
  for (let i = 0; i < 3; i += 1) {
    await sweep(store);
    counts.push((await deliveries(url)).length);
  }
  assert.deepEqual(counts, [1_000, 2_000, 2_300]);
});

test('deliveries that outlived their retention are made again', async (t) => {
  const { url, store } = await aStore(t);
  const { id } = await store.insert(aJob(), 0);
  await psql(url, `UPDATE ${DELIVERIES} SET keep_until = now() - interval '1 day'`);
  // What pg-boss does with a row that nobody fetched in time.
  await psql(url, `DELETE FROM ${DELIVERIES} WHERE keep_until < now()`);
  await age(url, 61_000);
  await sweep(store);
  assert.equal((await claim(store)).jobs[0]?.id, id);
});

test('delivering again what is still delivered changes nothing', async (t) => {
  const { url, store } = await aStore(t);
  for (let i = 0; i < 3; i += 1) await store.insert(aJob(), 0);
  const before = (await deliveries(url)).toSorted();
  await age(url, 61_000);
  await sweep(store);
  assert.deepEqual((await deliveries(url)).toSorted(), before);
  assert.equal((await claim(store)).jobs.length, 3);
});

test('a delivery of a job that has moved on is forgotten, and the next one is handed out', async (t) => {
  const { url, store } = await aStore(t);
  const ids: string[] = [];
  for (let i = 0; i < 6; i += 1) ids.push((await store.insert(aJob(), 0)).id);
  for (const id of ids.slice(0, 5)) {
    assert.equal((await store.applyAs(id, who(), cancel('req_c'))).outcome, 'applied');
  }
  assert.equal((await deliveries(url)).length, 6);
  const { jobs } = await claim(store, { limit: 1 });
  assert.deepEqual(
    jobs.map(({ id }) => id),
    ids.slice(5),
  );
  assert.deepEqual(await deliveries(url), []);
});

test('a delivery of an earlier run does not end the rest of a later one', async (t) => {
  const { url, store } = await aStore(t);
  const { id } = await store.insert(aJob(), 0);
  const [job] = (await claim(store)).jobs;
  assert.ok(job);
  await applied(store, job, { ...handBack(job), delayMs: 60_000 });
  const resting = await psql<{ start_after: Date }>(url, `SELECT start_after FROM ${DELIVERIES}`);
  assert.ok((resting[0]?.start_after.getTime() ?? 0) > performance.timeOrigin + 30_000);
  await psql(
    url,
    `INSERT INTO ${DELIVERIES} (id, name, data, policy) VALUES ($1, $2, $3, 'standard')`,
    [deliveryId(id, 0), queueOf('print'), { id, run: 0 }],
  );
  assert.deepEqual((await claim(store)).jobs, []);
  // Another one that is due makes the claim look at deliveries at all.
  const other = await store.insert(aJob(), 0);
  const claimed = [...(await claim(store, { limit: 1 })).jobs, ...(await claim(store)).jobs];
  assert.deepEqual(
    claimed.map((one) => one.id),
    [other.id],
  );
  assert.equal((await store.get(id, ownerOf(job)))?.status, 'queued');
});

test('no delivery is left to retries, expiry or heartbeats of pg-boss', async (t) => {
  const { url, store } = await aStore(t);
  await store.insert(aJob(), 0);
  const [row] = await psql(
    url,
    `SELECT retry_limit, expire_seconds, heartbeat_seconds, state FROM ${DELIVERIES}`,
  );
  assert.deepEqual(row, {
    retry_limit: 0,
    expire_seconds: 86_400,
    heartbeat_seconds: null,
    state: 'created',
  });
});

test('jobs of teams alternate however many one of them has queued', async (t) => {
  const { store } = await aStore(t);
  await Promise.all(Array.from({ length: 500 }, () => store.insert(aJob({ team: 'tem_many' }), 0)));
  const few = await Promise.all(
    Array.from({ length: 3 }, () => store.insert(aJob({ team: 'tem_few' }), 0)),
  );
  const { jobs } = await claim(store, { limit: 6 });
  assert.equal(jobs.filter(({ team }) => team === 'tem_few').length, few.length);
});
