import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { test } from 'node:test';
import { defineStatement } from '../../../src/job/effects.ts';
import type { IdempotencyKey } from '../../../src/job/job.ts';
import { aJob, aJobThatIs, claim, who } from '../../support/a-job.ts';
import type { OpenStore } from './open.ts';

function aKey(given: Partial<IdempotencyKey> = {}): IdempotencyKey {
  return { key: 'k1', hash: 'h1', answer: '{"a":1}', ttlMs: 60_000, ...given };
}

const KEPT = 'SELECT key FROM idempotency_keys';
const keptKeys = defineStatement<Record<string, never>>({
  name: 'kept_keys',
  sqlite: KEPT,
  postgres: KEPT,
});

export function once(open: OpenStore): void {
  test('of many submissions under one key one makes a job, and all others find it', async (t) => {
    const store = await open(t);
    const jobs = Array.from({ length: 20 }, () => aJob());
    const answers = await Promise.all(jobs.map((job) => store.insertOnce(job, 0, aKey())));
    const fresh = jobs.filter((_, i) => answers[i] === null);
    assert.equal(fresh.length, 1);
    const [first] = fresh;
    for (const replay of answers.filter((answer) => answer !== null)) {
      assert.deepEqual(replay, { jobId: first?.id, hash: 'h1', answer: '{"a":1}' });
    }
    assert.equal((await claim(store)).jobs.length, 1);
    assert.deepEqual(await store.replay(who(), 'print', 'k1'), {
      jobId: first?.id,
      hash: 'h1',
      answer: '{"a":1}',
    });
  });

  test('a key belongs to its team, its owner and its tool', async (t) => {
    const store = await open(t);
    for (const given of [{}, { team: 'tem_b' }, { owner: 'usr_b' }, { tool: 'scan' }]) {
      assert.equal(await store.insertOnce(aJob(given), 0, aKey()), null);
    }
    assert.equal(await store.replay(who({ team: 'tem_c' }), 'print', 'k1'), null);
    assert.equal(await store.replay(who({ owner: 'usr_c' }), 'print', 'k1'), null);
    assert.equal(await store.replay(who(), 'fax', 'k1'), null);
  });

  test('a key is free again when it has expired', async (t) => {
    const store = await open(t);
    assert.equal(await store.insertOnce(aJob(), 0, aKey({ ttlMs: 10 })), null);
    await pause(20);
    assert.equal(await store.replay(who(), 'print', 'k1'), null);
    assert.equal(await store.insertOnce(aJob(), 0, aKey({ hash: 'h2' })), null);
    assert.equal((await store.replay(who(), 'print', 'k1'))?.hash, 'h2');
  });

  test('a sweep forgets no key before it has expired', async (t) => {
    const store = await open(t);
    await store.insertOnce(aJob(), 0, aKey());
    await store.sweep({ retentionMs: 1e9, toolMissingMs: 1e9 });
    assert.equal((await store.replay(who(), 'print', 'k1'))?.hash, 'h1');
  });

  test('a sweep forgets keys that have expired, and those alone', async (t) => {
    const store = await open(t);
    for (const [key, ttlMs] of [
      ['k1', 10],
      ['k2', 60_000],
    ] as const) {
      await store.insertOnce(aJob(), 0, aKey({ key, ttlMs }));
    }
    await pause(20);
    await store.sweep({ retentionMs: 1e9, toolMissingMs: 1e9 });
    assert.deepEqual(await store.read(keptKeys, {}), [{ key: 'k2' }]);
  });

  test('a submission that is refused leaves its key free', async (t) => {
    const store = await open(t);
    await store.insert(aJob(), 0);
    await assert.rejects(store.insertOnce(aJob(), 1, aKey()), { code: 'RATE_LIMITED' });
    assert.equal(await store.replay(who(), 'print', 'k1'), null);
  });

  test('the place in the queue counts what is claimed before, within the tool', async (t) => {
    const store = await open(t);
    const ids: string[] = [];
    for (let i = 0; i < 3; i += 1) ids.push((await store.insert(aJob(), 0)).id);
    const other = await store.insert(aJob({ team: 'tem_b' }), 0);
    await store.insert(aJob({ tool: 'scan' }), 0);
    const positions = await Promise.all([...ids, other.id].map((id) => store.position(id)));
    assert.deepEqual(positions, [1, 3, 4, 2]);
    const running = await aJobThatIs(store, 'running');
    assert.equal(await store.position(running.id), null);
    assert.equal(await store.position('mjb_none'), null);
  });

  test('the place in the queue is exact to a hundred and unknown beyond', async (t) => {
    const store = await open(t);
    const jobs = await Promise.all(Array.from({ length: 101 }, () => store.insert(aJob(), 0)));
    const positions = await Promise.all(jobs.map(({ id }) => store.position(id)));
    assert.deepEqual(
      positions.toSorted((a, b) => (a ?? 999) - (b ?? 999)),
      [...Array.from({ length: 100 }, (_, i) => i + 1), null],
    );
  });
}
