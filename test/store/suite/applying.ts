import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defineStatement } from '../../../src/job/effects.ts';
import { JobError } from '../../../src/job/errors.ts';
import {
  answer,
  ask,
  cancel,
  complete,
  fail,
  faulted,
  handBack,
} from '../../../src/job/transitions.ts';
import { aJob, aJobThatIs, applied, claim, who } from '../../support/a-job.ts';
import type { OpenStore } from './open.ts';

const TOUCH = 'UPDATE jobs SET updated_at = updated_at + 1 WHERE id = :id';
const touch = defineStatement<{ id: string }>({ name: 'touch', sqlite: TOUCH, postgres: TOUCH });

export function applying(open: OpenStore): void {
  for (const status of ['completed', 'failed', 'cancelled'] as const) {
    test(`a ${status} job is not changed by any statement, whatever that asks before`, async (t) => {
      const store = await open(t);
      const job = await aJobThatIs(store, status);
      await assert.rejects(store.write([touch({ id: job.id })]), { code: 'CONFLICT' });
      assert.deepEqual(await store.get(job.id, who()), job);
    });
  }

  test('a completed job has its result, its time and no lease', async (t) => {
    const store = await open(t);
    const job = await aJobThatIs(store, 'running');
    const done = await applied(store, job, complete(job, '{"n":7}', []));
    assert.deepEqual(
      [done.status, done.result, done.lease, done.worker],
      ['completed', '{"n":7}', null, null],
    );
    assert.ok(done.completedAt !== null && done.completedAt >= (done.startedAt ?? Infinity));
    assert.equal(done.updatedAt, done.completedAt);
    assert.deepEqual(await store.get(job.id, who()), done);
  });

  test('a failed job has the envelope of its error', async (t) => {
    const store = await open(t);
    const job = await aJobThatIs(store, 'running');
    const error = new JobError('NO_PAPER', { message: 'No paper.', fields: { a: ['b'] } });
    const failed = await applied(store, job, fail(job, error));
    assert.equal(failed.error?.code, 'NO_PAPER');
    assert.deepEqual(failed.error.fields, { a: ['b'] });
    assert.deepEqual([failed.error.fault, failed.error.request_id], [false, 'req_1']);
  });

  test('a retried job rests without a lease, with one fault counted', async (t) => {
    const store = await open(t);
    const job = await aJobThatIs(store, 'running');
    const change = faulted(job, 'ATTEMPTS_EXHAUSTED', { baseMs: 60_000, maxMs: 60_000 });
    const resting = await applied(store, job, change);
    assert.deepEqual([resting.status, resting.attempts, resting.lease], ['queued', 1, null]);
    assert.equal((await claim(store, { tools: [job.tool] })).jobs.length, 0);
  });

  test('a late write of a run that lost its lease changes nothing', async (t) => {
    const store = await open(t);
    const old = await aJobThatIs(store, 'running');
    await applied(store, old, handBack(old));
    const [current] = (await claim(store, { tools: [old.tool] })).jobs;
    assert.ok(current);
    const late = [
      complete(old, '{"late":true}', []),
      fail(old, new JobError('LATE')),
      handBack(old),
      faulted(old, 'ATTEMPTS_EXHAUSTED'),
      ask(old, { q: 1 }, 1_000),
    ];
    for (const change of late) {
      assert.deepEqual(await store.apply(old.id, change), { outcome: 'stale' });
    }
    assert.deepEqual(await store.get(old.id, who()), current);
    await applied(store, current, complete(current, '{"late":false}', []));
  });

  test('of many ends of one run exactly one is written', async (t) => {
    const store = await open(t);
    const job = await aJobThatIs(store, 'running');
    const answers = await Promise.all([
      store.apply(job.id, complete(job, '{"n":1}', [])),
      store.apply(job.id, fail(job, new JobError('NO_PAPER'))),
      store.apply(job.id, handBack(job)),
      store.applyAs(job.id, who(), cancel('req_x')),
    ]);
    assert.equal(answers.filter(({ outcome }) => outcome === 'applied').length, 1);
  });

  test('a question waits for its answer, and the answer makes the job due again', async (t) => {
    const store = await open(t);
    const job = await aJobThatIs(store, 'running');
    const waiting = await applied(store, job, ask(job, { size: 'How large?' }, 60_000));
    assert.deepEqual([waiting.status, waiting.questions], ['waiting', { size: 'How large?' }]);
    const due = await applied(store, waiting, answer({ size: 'A4' }));
    assert.deepEqual([due.status, due.questions, due.answers], ['queued', null, { size: 'A4' }]);
    const [again] = (await claim(store, { tools: [job.tool] })).jobs;
    assert.deepEqual([again?.answers, again?.attempts, again?.runs], [{ size: 'A4' }, 0, 2]);
  });

  test('a cancelled job is final at once, whatever it did', async (t) => {
    const store = await open(t);
    for (const status of ['queued', 'running', 'waiting'] as const) {
      const job = await aJobThatIs(store, status);
      const cancelled = await applied(store, job, cancel('req_c'));
      assert.deepEqual(
        [cancelled.status, cancelled.error?.code, cancelled.error?.request_id],
        ['cancelled', 'JOB_CANCELLED', 'req_c'],
      );
      assert.equal((await claim(store, { tools: [job.tool] })).jobs.length, 0);
    }
  });

  test('an unknown job is stale, not an error', async (t) => {
    const store = await open(t);
    const job = await aJobThatIs(store, 'running');
    assert.deepEqual(await store.apply('mjb_none', complete(job, '{}', [])), { outcome: 'stale' });
  });

  test('a change that no row may carry is refused whole', async (t) => {
    const store = await open(t);
    const job = await aJobThatIs(store, 'running');
    await assert.rejects(
      store.apply(job.id, { from: ['running'], to: 'completed', lease: job.lease }),
      { code: 'CONFLICT' },
    );
    assert.deepEqual(await store.get(job.id, who()), job);
  });

  test('of ends of runs that come at once, one that no row may carry fails alone', async (t) => {
    const store = await open(t);
    for (let i = 0; i < 5; i += 1) await store.insert(aJob(), 0);
    const { jobs } = await claim(store);
    const answers = await Promise.allSettled(
      jobs.map((job, i) =>
        store.apply(
          job.id,
          i === 2
            ? { from: ['running'], to: 'completed', lease: job.lease }
            : complete(job, '{}', []),
        ),
      ),
    );
    const statuses = await Promise.all(jobs.map(({ id }) => store.get(id, who())));
    assert.deepEqual(
      answers.map(({ status }, i) => [status, statuses[i]?.status]),
      jobs.map((_, i) => (i === 2 ? ['rejected', 'running'] : ['fulfilled', 'completed'])),
    );
  });

  test('a run that ended leaves room for other jobs of the same tool', async (t) => {
    const store = await open(t);
    const { tool } = await aJobThatIs(store, 'completed');
    await store.insert(aJob({ tool }), 0);
    assert.equal((await claim(store, { tools: [tool] })).jobs.length, 1);
  });
}
