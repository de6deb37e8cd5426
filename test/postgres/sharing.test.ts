/** Several processes on one database, each with a store of its own. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { cancel, complete } from '../../src/job/transitions.ts';
import type { ChangeNotice, Store } from '../../src/store/store.ts';
import { aJob, claim, who } from '../support/a-job.ts';
import { postgresStore, postgresStores, psql } from '../support/postgres.ts';
import { until } from '../support/until.ts';

test('a commit of one process is heard in another, with its id and status', async (t) => {
  const { stores } = await postgresStores(t, 2);
  const [one, other] = stores as [Store, Store];
  const heard: ChangeNotice[] = [];
  let looks = 0;
  let due = 0;
  other.onChange((notice) => {
    if (notice) heard.push(notice);
    else looks += 1;
  });
  other.onDue(() => {
    due += 1;
  });
  await until('the other listens', () => looks > 0);
  due = 0;
  const { id } = await one.insert(aJob(), 0);
  await until('it was heard', () => heard.length === 1, { ms: 900 });
  assert.ok(due > 0);
  assert.equal((await one.applyAs(id, who(), cancel('req_c'))).outcome, 'applied');
  await until('the cancel was heard', () => heard.length === 2, { ms: 900 });
  assert.deepEqual(heard, [
    { id, status: 'queued' },
    { id, status: 'cancelled' },
  ]);
});

test('no process hears of its own commits from the others', async (t) => {
  const { stores } = await postgresStores(t, 2);
  const heard = stores.map((store) => {
    const ids: string[] = [];
    store.onChange((notice) => ids.push(notice?.id ?? 'a look'));
    return ids;
  });
  const [one, other] = stores as [Store, Store];
  await until('both listen', () => heard.every((ids) => ids.includes('a look')));
  const told = (at: number, id: string) =>
    until(`${id} was heard`, () => heard[at]?.includes(id), { ms: 5_000 });
  const first = await one.insert(aJob(), 0);
  await told(1, first.id);
  // What is told later is heard later: an echo of the first would have come by then.
  const second = await other.insert(aJob(), 0);
  await told(0, second.id);
  const third = await one.insert(aJob(), 0);
  await told(1, third.id);
  for (const ids of heard) {
    const own = ids.filter((id) => id !== 'a look');
    assert.deepEqual(own, [first.id, second.id, third.id]);
  }
});

test('a commit of more changes than one notice holds is told without naming them', async (t) => {
  const failed: string[] = [];
  const debug = (_: object, message = '') => void failed.push(message);
  const log = { debug, info() {}, warn() {}, error() {} };
  const { stores } = await postgresStores(t, 2, { log });
  const [one, other] = stores as [Store, Store];
  let looks = 0;
  const heard = new Set<string>();
  other.onChange((notice) => {
    if (notice === null) looks += 1;
    else heard.add(notice.status);
  });
  await until('the other listens', () => looks > 0);
  await Promise.all(Array.from({ length: 290 }, () => one.insert(aJob(), 0)));
  // A second later as many changes may be told again.
  await pause(1_100);
  assert.equal((await claim(one, { limit: 290 })).jobs.length, 290);
  await pause(300);
  assert.ok(!heard.has('running'));
  assert.deepEqual(
    failed.filter((message) => /notice/.test(message)),
    [],
  );
});

test('progress of a run in one process is heard at once in another', async (t) => {
  const { stores } = await postgresStores(t, 2);
  const [one, other] = stores as [Store, Store];
  const heard: ChangeNotice[] = [];
  let looks = 0;
  other.onChange((notice) => {
    if (notice) heard.push(notice);
    else looks += 1;
  });
  await until('the other listens', () => looks > 0);
  const { id } = await one.insert(aJob(), 0);
  const [job] = (await claim(one)).jobs;
  assert.ok(job?.lease);
  await until('the claim was heard', () => heard.at(-1)?.status === 'running');
  heard.length = 0;
  const progress = { done: 1, total: 2, message: null };
  assert.equal(await one.progress({ id, lease: job.lease }, progress), true);
  await until('it was heard', () => heard.length === 1, { ms: 900 });
  assert.deepEqual(heard, [{ id, status: 'running' }]);
  assert.equal(await one.progress({ id, lease: 'another' }, progress), false);
  await one.apply(id, complete(job, '{}', []));
  await until('the end was heard', () => heard.length === 2, { ms: 900 });
  assert.equal(heard[1]?.status, 'completed');
});

test('a process that lost its listening connection listens again and looks at everything', async (t) => {
  const { url, stores } = await postgresStores(t, 2);
  const [one, other] = stores as [Store, Store];
  let looks = 0;
  const heard: string[] = [];
  other.onChange((notice) => {
    if (notice) heard.push(notice.id);
    else looks += 1;
  });
  await until('the other listens', () => looks > 0);
  await psql(
    url,
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND query LIKE 'LISTEN mcp_async_jobs'`,
  );
  looks = 0;
  await until('it looked at everything', () => looks > 0, { ms: 5_000 });
  const { id } = await until('a notice arrives again', async () => {
    const job = await one.insert(aJob(), 0);
    return (
      (await until('heard', () => heard.includes(job.id), { ms: 300 }).catch(() => false)) && job
    );
  });
  assert.ok(heard.includes(id));
});

test('whoever is told nothing looks each second', async (t) => {
  const { stores } = await postgresStores(t, 1);
  const looks: number[] = [];
  stores[0]?.onChange((notice) => {
    if (notice === null) looks.push(performance.now());
  });
  await until('it looked three times', () => looks.length >= 4, { ms: 6_000 });
});

test('a job is claimed in one process only, and none is left over', async (t) => {
  const { stores } = await postgresStores(t, 4);
  const [first] = stores as [Store];
  await Promise.all(Array.from({ length: 400 }, () => first.insert(aJob(), 0)));
  const claimed: string[] = [];
  await Promise.all(
    stores.flatMap((store, s) =>
      Array.from({ length: 4 }, async (_, w) => {
        for (;;) {
          const { jobs } = await claim(store, { worker: `wrk_${s}_${w}`, limit: 7 });
          if (jobs.length === 0) return;
          claimed.push(...jobs.map(({ id }) => id));
          await Promise.all(jobs.map((job) => store.apply(job.id, complete(job, '{}', []))));
        }
      }),
    ),
  );
  assert.equal(claimed.length, 400);
  assert.equal(new Set(claimed).size, 400);
});

test('the cap of a team holds exactly over several processes', async (t) => {
  const { stores } = await postgresStores(t, 3);
  const answers = await Promise.allSettled(
    Array.from({ length: 60 }, async (_, i) => stores[i % 3]?.insert(aJob(), 10)),
  );
  assert.equal(answers.filter(({ status }) => status === 'fulfilled').length, 10);
});

test('one key is one job, whichever process it is sent to', async (t) => {
  const { stores } = await postgresStores(t, 3);
  const key = { key: 'k1', hash: 'h1', answer: '{}', ttlMs: 60_000 };
  const answers = await Promise.all(
    Array.from({ length: 30 }, async (_, i) => {
      const job = aJob();
      return (await stores[i % 3]?.insertOnce(job, 0, key))?.jobId ?? job.id;
    }),
  );
  assert.equal(new Set(answers).size, 1);
  const [store] = stores;
  assert.deepEqual(
    (await store?.list({ who: who(), status: null, tool: null, before: null, limit: 101 }))?.map(
      ({ id }) => id,
    ),
    [answers[0]],
  );
});

test('a process whose clock is an hour ahead claims and renews leases that end in time', async (t) => {
  const store = await postgresStore(t);
  const job = aJob();
  await store.insert(job, 0);
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 3_600_000 });
  const [running] = (await claim(store)).jobs;
  assert.ok(running?.lease);
  assert.deepEqual(await store.renew([{ id: job.id, lease: running.lease }], 20), []);
  t.mock.timers.reset();
  await pause(40);
  assert.deepEqual((await store.sweep({ retentionMs: 1e9, toolMissingMs: 1e9 })).moved, [job.id]);
});
