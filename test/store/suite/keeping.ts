import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { now } from '../../../src/job/clock.ts';
import { defineStatement } from '../../../src/job/effects.ts';
import { type JobError } from '../../../src/job/errors.ts';
import type { Job } from '../../../src/job/job.ts';
import { ask, cancel, complete, handBack } from '../../../src/job/transitions.ts';
import type { Store } from '../../../src/store/store.ts';
import { aJob, aJobThatIs, applied, claim, ownerOf, who } from '../../support/a-job.ts';
import { until } from '../../support/until.ts';
import type { OpenStore } from './open.ts';

const CHANGED_AT = 'UPDATE jobs SET updated_at = :at WHERE id = :id';
const changedAt = defineStatement<{ id: string; at: number }>({
  name: 'changed_at',
  sqlite: CHANGED_AT,
  postgres: CHANGED_AT,
});

/** Moves of a job that was changed last at a later time than now. */
const LATER: readonly (readonly [
  string,
  'queued' | 'running' | 'waiting',
  (store: Store, job: Job) => Promise<unknown>,
])[] = [
  ['it is claimed', 'queued', (store) => claim(store)],
  [
    'it tells of progress',
    'running',
    (store, { id, lease }) =>
      store.progress({ id, lease: lease ?? '' }, { done: 1, total: null, message: null }),
  ],
  ['it is handed back', 'running', (store, job) => store.apply(job.id, handBack(job))],
  [
    'one of its questions is answered',
    'running',
    async (store, job) => {
      await applied(store, job, ask(job, { size: 'How large?', color: 'In color?' }, 60_000));
      await store.write([changedAt({ id: job.id, at: now() + 3_600_000 })]);
      await store.answer(job.id, who(), { size: 'A4' });
    },
  ],
  ['it is cancelled', 'waiting', (store, { id }) => store.applyAs(id, who(), cancel('req_2'))],
];

export function keeping(open: OpenStore): void {
  test('an inserted job is queued and is read back as it was given', async (t) => {
    const store = await open(t);
    const job = aJob({ scope: 'prj_1', input: '{"a":1}', carry: '{"b":2}', requestId: 'req_9' });
    const inserted = await store.insert(job, 0);
    assert.deepEqual(inserted, {
      ...job,
      status: 'queued',
      result: null,
      resultBytes: null,
      error: null,
      progress: null,
      questions: null,
      answers: null,
      runs: 0,
      attempts: 0,
      alone: false,
      lease: null,
      worker: null,
      startedAt: null,
      updatedAt: job.createdAt,
      completedAt: null,
    });
    assert.deepEqual(await store.get(job.id, who()), inserted);
  });

  test('a job is visible in the moment in which its insertion is acknowledged', async (t) => {
    const store = await open(t);
    await Promise.all(
      Array.from({ length: 50 }, async () => {
        const { id } = await store.insert(aJob(), 0);
        assert.equal((await store.get(id, who()))?.id, id);
      }),
    );
  });

  test('a second job with the same id is refused and the first stays', async (t) => {
    const store = await open(t);
    const job = aJob();
    await store.insert(job, 0);
    await assert.rejects(
      store.insert({ ...job, input: '{"other":1}' }, 0),
      (error: JobError) => error.code === 'CONFLICT',
    );
    assert.equal((await store.get(job.id, who()))?.input, '{}');
  });

  test('of submissions that come at once, one that cannot be kept fails alone', async (t) => {
    const store = await open(t);
    const taken = await store.insert(aJob(), 0);
    const jobs = Array.from({ length: 10 }, (_, i) => aJob(i === 4 ? { id: taken.id } : {}));
    const answers = await Promise.allSettled(jobs.map((job) => store.insert(job, 0)));
    assert.deepEqual(
      answers.map(({ status }) => status),
      jobs.map((_, i) => (i === 4 ? 'rejected' : 'fulfilled')),
    );
    for (const { id } of jobs) assert.equal((await store.get(id, who()))?.id, id);
  });

  test('hostile text is kept and given back unchanged', async (t) => {
    const store = await open(t);
    const texts = ['\0', 'a\0b', "'; DROP TABLE jobs; --", '\u202Eabc\u200B', '😀'.repeat(100)];
    for (const text of texts) {
      const input = JSON.stringify({
        text,
        lone: '\uD800',
        key: { '\uDFFF': 1, ['__proto__']: 2 },
      });
      const given = { team: `tem_${text}`, owner: text, tool: text, input, requestId: text };
      const job = await store.insert(aJob(given), 0);
      const read = await store.get(job.id, who({ team: given.team, owner: text }));
      assert.equal(read?.input, input);
      assert.deepEqual(
        [read.team, read.owner, read.tool, read.requestId],
        [given.team, text, text, text],
      );
    }
  });

  test('a lone surrogate outside JSON cannot be told from no character at all, and does no harm', async (t) => {
    const store = await open(t);
    await store.insert(aJob({ requestId: 'x\uD800y' }), 0);
    const [job] = (await claim(store)).jobs;
    assert.equal(job?.requestId, 'x\uFFFDy');
  });

  test('a megabyte of input and of result is kept', async (t) => {
    const store = await open(t);
    const text = JSON.stringify({ text: 'x'.repeat(1_000_000) });
    const { id } = await store.insert(aJob({ input: text }), 0);
    const [running] = (await claim(store)).jobs;
    assert.ok(running);
    await store.apply(id, complete(running, text, []));
    assert.ok(running.input === text);
    assert.ok((await store.payload(id, who(), 'input')) === text);
    assert.ok((await store.payload(id, who(), 'result')) === text);
    assert.equal((await store.get(id, who()))?.resultBytes, text.length);
    assert.equal(await store.payload(id, who({ owner: 'usr_b' }), 'result'), null);
  });

  test('open jobs of a team are capped, and of that team alone', async (t) => {
    const store = await open(t);
    for (let i = 0; i < 3; i += 1) await store.insert(aJob(), 3);
    await assert.rejects(store.insert(aJob(), 3), (error: JobError) => {
      assert.equal(error.code, 'RATE_LIMITED');
      assert.equal(error.context['outstanding_max'], 3);
      assert.equal(typeof error.context['retry_after_seconds'], 'number');
      return true;
    });
    await store.insert(aJob({ team: 'tem_b' }), 3);
    await store.insert(aJob(), 0);
  });

  test('the cap holds exactly when many are submitted at once', async (t) => {
    const store = await open(t);
    const answers = await Promise.allSettled(
      Array.from({ length: 40 }, () => store.insert(aJob(), 10)),
    );
    assert.equal(answers.filter(({ status }) => status === 'fulfilled').length, 10);
    assert.equal((await claim(store)).jobs.length, 10);
  });

  test('running and waiting jobs count as open, final ones do not', async (t) => {
    const store = await open(t);
    for (const status of ['running', 'waiting', 'completed', 'failed', 'cancelled'] as const) {
      await aJobThatIs(store, status);
    }
    await store.insert(aJob(), 3);
    await assert.rejects(store.insert(aJob(), 3), { code: 'RATE_LIMITED' });
  });

  test('the times of a job never go back, even when the clock does', async (t) => {
    const store = await open(t);
    const createdAt = now() + 3_600_000;
    const { id } = await store.insert(aJob({ createdAt }), 0);
    const [running] = (await claim(store)).jobs;
    assert.ok(running);
    assert.deepEqual([running.startedAt, running.updatedAt], [createdAt, createdAt]);
    await store.apply(id, complete(running, '{}', []));
    const done = await store.get(id, ownerOf(running));
    assert.deepEqual([done?.updatedAt, done?.completedAt], [createdAt, createdAt]);
  });

  for (const [what, status, move] of LATER) {
    test(`the last change of a job does not go back when ${what}`, async (t) => {
      const store = await open(t);
      const { id } = await aJobThatIs(store, status, { tool: 'print' });
      const at = now() + 3_600_000;
      await store.write([changedAt({ id, at }, { expect: 1 })]);
      const before = await store.get(id, who());
      assert.equal(before?.updatedAt, at);
      await move(store, before);
      const after = await store.get(id, who());
      assert.notDeepEqual(after, before);
      assert.ok(after && after.updatedAt >= at, String(after?.updatedAt));
      if (after.startedAt !== null) assert.ok(after.startedAt >= after.createdAt);
    });
  }

  test('a job that runs again began when it first ran', async (t) => {
    const store = await open(t);
    const first = await aJobThatIs(store, 'running');
    await store.apply(first.id, handBack(first));
    await pause(5);
    const [again] = (await claim(store, { tools: [first.tool] })).jobs;
    assert.equal(again?.startedAt, first.startedAt);
  });

  test('whoever listens hears of each committed change, with its status', async (t) => {
    const store = await open(t);
    const heard: string[] = [];
    const stop = store.onChange((notice) => {
      if (notice) heard.push(`${notice.id} ${notice.status}`);
    });
    const { id } = await aJobThatIs(store, 'completed');
    await until('three changes were heard', () => heard.length >= 3 && heard);
    assert.deepEqual(heard, [`${id} queued`, `${id} running`, `${id} completed`]);
    stop();
    await store.insert(aJob(), 0);
    await store.health();
    assert.equal(heard.length, 3);
  });

  test('whoever waits for work is called when a job is queued', async (t) => {
    const store = await open(t);
    let calls = 0;
    const stop = store.onDue(() => {
      calls += 1;
    });
    await store.insert(aJob(), 0);
    await until('the call came', () => calls > 0);
    stop();
  });

  test('the health of a store tells whether it takes writes and how many workers live', async (t) => {
    const store = await open(t);
    assert.deepEqual(await store.health(), { writable: true, workers: 0 });
    const worker = { process: 'elsewhere/1/1/1', supervisor: 'elsewhere/1/1/1', tools: ['print'] };
    await store.beat({ ...worker, id: 'wrk_1' });
    await store.beat({ ...worker, id: 'wrk_1' });
    await store.beat({ ...worker, id: 'wrk_2' });
    assert.deepEqual(await store.health(), { writable: true, workers: 2 });
  });

  test('closing commits what was asked for before and refuses what comes after', async (t) => {
    const store = await open(t);
    const writes = Array.from({ length: 20 }, () => store.insert(aJob(), 0));
    await store.close();
    assert.equal((await Promise.all(writes)).length, 20);
    await assert.rejects(store.insert(aJob(), 0), /closed/);
  });
}
