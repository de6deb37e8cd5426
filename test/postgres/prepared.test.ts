/** How statements run: sent along, prepared, and never compiled. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { complete } from '../../src/job/transitions.ts';
import { aJob, claim, who } from '../support/a-job.ts';
import { postgresStores, psql, watchSetting } from '../support/postgres.ts';

test('a submission that fails says why, and its statements go on working', async (t) => {
  const { stores } = await postgresStores(t, 2);
  const [one, other] = stores;
  assert.ok(one && other);
  const job = await one.insert(aJob(), 0);
  for (let i = 0; i < 3; i += 1) {
    await assert.rejects(other.insert(aJob({ id: job.id }), 0), { code: 'CONFLICT' });
  }
  const { id } = await other.insert(aJob(), 0);
  assert.match(id, /^mjb_/);
});

test('no statement is compiled before it runs, however dear the planner thinks it', async (t) => {
  const { url, stores } = await postgresStores(t, 1);
  const [store] = stores;
  assert.ok(store);
  const seen = await watchSetting(url, 'jit');
  await store.insert(aJob(), 0);
  const [job] = (await claim(store)).jobs;
  assert.ok(job);
  await store.apply(job.id, complete(job, '{}', []));
  assert.deepEqual(await seen(), ['off', 'off', 'off']);
});

test('a table that is altered while statements on it are prepared is read and written on', async (t) => {
  const { url, stores } = await postgresStores(t, 1);
  const [store] = stores;
  assert.ok(store);
  const work = async () => {
    const { id } = await store.insert(aJob(), 0);
    assert.equal((await store.get(id, who()))?.status, 'queued');
    const [job] = (await claim(store)).jobs;
    assert.ok(job);
    await store.apply(job.id, complete(job, '{}', []));
    assert.equal((await store.get(id, who()))?.status, 'completed');
  };
  await work();
  await psql(url, 'ALTER TABLE jobs ADD COLUMN newer text');
  await work();
});
