/** Bounded waits on a real store: who is woken by what, and what it costs. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { monotonic } from '../../src/job/clock.ts';
import { JobError } from '../../src/job/errors.ts';
import type { Job } from '../../src/job/job.ts';
import { answer, cancel, complete, handBack } from '../../src/job/transitions.ts';
import { VIEW_ANY } from '../../src/job/who.ts';
import { Waits } from '../../src/queue/wait.ts';
import { openStore } from '../../src/sqlite.ts';
import type { Store } from '../../src/store/store.ts';
import { aJobThatIs, applied, ownerOf, who } from '../support/a-job.ts';
import { tempFolder, tempStore } from '../support/temp.ts';
import { until } from '../support/until.ts';

const LONG_MS = 20_000;

async function aStore(t: TestContext): Promise<{ store: Store; waits: Waits }> {
  const store = await tempStore(t);
  return { store, waits: new Waits(store) };
}

/** Wait, and say how long it took. */
async function timed(wait: Promise<Job>): Promise<{ job: Job; ms: number }> {
  const startedAt = monotonic();
  return { job: await wait, ms: monotonic() - startedAt };
}

const waitFor = (waits: Waits, job: Job, ms = LONG_MS) =>
  waits.until(job.id, { who: ownerOf(job), ms });

test('a wait ends at once when the job is completed', async (t) => {
  const { store, waits } = await aStore(t);
  const job = await aJobThatIs(store, 'running');
  const waiting = timed(waitFor(waits, job));
  await until('somebody waits', () => waits.size === 1);
  await applied(store, job, complete(job, '{"n":1}', []));
  const { job: seen, ms } = await waiting;
  assert.deepEqual([seen.status, seen.result], ['completed', '{"n":1}']);
  assert.ok(ms < 2_000, `${ms} ms`);
  assert.equal(waits.size, 0);
});

test('a wait for a job that is final, or that waits for input, does not begin', async (t) => {
  const { store, waits } = await aStore(t);
  for (const status of ['completed', 'failed', 'cancelled', 'waiting'] as const) {
    const { job, ms } = await timed(waitFor(waits, await aJobThatIs(store, status)));
    assert.equal(job.status, status);
    assert.ok(ms < 1_000, `${status}: ${ms} ms`);
  }
});

test('a wait goes on through moves that end nothing, and gives the present state at its end', async (t) => {
  const { store, waits } = await aStore(t);
  const job = await aJobThatIs(store, 'running');
  const waiting = timed(waitFor(waits, job, 1_000));
  await until('somebody waits', () => waits.size === 1);
  await store.progress(
    { id: job.id, lease: job.lease ?? '' },
    { done: 1, total: 2, message: null },
  );
  await applied(store, job, handBack(job));
  const { job: seen, ms } = await waiting;
  assert.equal(seen.status, 'queued');
  assert.ok(ms >= 1_000 && ms < 2_500, `${ms} ms`);
});

test('a job that was answered is waited for again', async (t) => {
  const { store, waits } = await aStore(t);
  const job = await aJobThatIs(store, 'waiting');
  await store.applyAs(job.id, ownerOf(job), answer({ size: 'large' }));
  const waiting = waitFor(waits, job);
  await until('somebody waits', () => waits.size === 1);
  await store.applyAs(job.id, ownerOf(job), cancel('req_2'));
  assert.equal((await waiting).status, 'cancelled');
});

test('a wait ends when another process makes the change', { timeout: 20_000 }, async (t) => {
  const path = join(tempFolder(t), 'jobs.db');
  const here = await openStore(path);
  const there = await openStore(path);
  t.after(() => Promise.all([here.close(), there.close()]));
  const job = await aJobThatIs(there, 'running');
  const waits = new Waits(here);
  const waiting = timed(waitFor(waits, job));
  await until('somebody waits', () => waits.size === 1);
  await applied(there, job, complete(job, '{}', []));
  const { job: seen, ms } = await waiting;
  assert.equal(seen.status, 'completed');
  assert.ok(ms < 5_000, `${ms} ms`);
});

test("somebody else's job is unknown at once, even while its owner waits", async (t) => {
  const { store, waits } = await aStore(t);
  const job = await aJobThatIs(store, 'running');
  const owner = waitFor(waits, job);
  await until('the owner waits', () => waits.size === 1);
  const isUnknown = (error: unknown) =>
    error instanceof JobError && error.code === 'RESOURCE_NOT_FOUND';
  for (const stranger of [who({ owner: 'usr_b' }), who({ team: 'tem_b' })]) {
    await assert.rejects(waits.until(job.id, { who: stranger, ms: LONG_MS }), isUnknown);
  }
  const colleague = waits.until(job.id, {
    who: who({ owner: 'usr_b', abilities: [VIEW_ANY] }),
    ms: LONG_MS,
  });
  await until('two wait', () => waits.size === 2);
  await applied(store, job, complete(job, '{}', []));
  assert.equal((await owner).status, 'completed');
  assert.equal((await colleague).status, 'completed');
});

test('who leaves is forgotten, and with the last one the watch of the store', async (t) => {
  const { store, waits } = await aStore(t);
  let watches = 0;
  const counting = new Waits({
    get: (id, caller) => store.get(id, caller),
    onChange: (listener) => {
      watches += 1;
      const stop = store.onChange(listener);
      return () => {
        watches -= 1;
        stop();
      };
    },
  });
  const job = await aJobThatIs(store, 'running');
  const left = new AbortController();
  const wait = (signal?: AbortSignal) =>
    counting.until(job.id, { who: ownerOf(job), ms: LONG_MS, ...(signal && { signal }) });
  const two = [wait(left.signal), wait()];
  await until('two wait', () => counting.size === 2);
  assert.equal(watches, 1);
  left.abort();
  await two[0];
  assert.deepEqual([counting.size, watches], [1, 1]);
  counting.close();
  await two[1];
  assert.deepEqual([counting.size, watches], [0, 0]);
  assert.equal(waits.size, 0);
});

test('closing answers everybody with the present state, and nobody waits afterwards', async (t) => {
  const { store, waits } = await aStore(t);
  const jobs = await Promise.all(Array.from({ length: 30 }, () => aJobThatIs(store, 'running')));
  const waiting = jobs.map((job) => timed(waitFor(waits, job)));
  await until('all wait', () => waits.size === 30);
  waits.close();
  for (const { job, ms } of await Promise.all(waiting)) {
    assert.equal(job.status, 'running');
    assert.ok(ms < 3_000, `${ms} ms`);
  }
  const [job] = jobs;
  assert.ok(job && (await timed(waitFor(waits, job))).ms < 1_000);
});

test('what a run says while it is waited for is told', async (t) => {
  const { store, waits } = await aStore(t);
  const job = await aJobThatIs(store, 'running');
  const told: (number | null)[] = [];
  const waiting = waits.until(job.id, {
    who: ownerOf(job),
    ms: LONG_MS,
    onChange: ({ progress }) => void told.push(progress?.done ?? null),
  });
  await until('the state at the beginning is told', () => told.length > 0);
  for (const done of [1, 2]) {
    const held = { id: job.id, lease: job.lease ?? '' };
    await store.progress(held, { done, total: 2, message: null });
    await until(`${done} is told`, () => told.includes(done));
  }
  await applied(store, job, complete(job, '{}', []));
  await waiting;
  assert.equal(told[0], null);
});

test('2,000 waiters share one watch, no timers of their own, and one read per change', async (t) => {
  const { store } = await aStore(t);
  let reads = 0;
  let watches = 0;
  const waits = new Waits({
    get: (id, caller) => {
      reads += 1;
      return store.get(id, caller);
    },
    onChange: (listener) => {
      watches += 1;
      return store.onChange(listener);
    },
  });
  const jobs = await Promise.all(Array.from({ length: 2_000 }, () => aJobThatIs(store, 'running')));
  const timers = () =>
    process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;
  const timersBefore = timers();
  const waiting = jobs.map((job) => waitFor(waits, job));
  await until('all wait', () => waits.size === 2_000);
  // The first look of each, and a second one for what came between it and the watch.
  await until('everybody has looked twice', () => reads === 4_000);
  assert.equal(watches, 1);
  assert.ok(timers() - timersBefore <= 3, `${timers() - timersBefore} timers`);

  const [first] = jobs;
  assert.ok(first);
  await applied(store, first, complete(first, '{}', []));
  await waiting[0];
  assert.equal(reads, 4_001, 'the jobs of others are not read');
  waits.close();
  await Promise.all(waiting);
  assert.equal(waits.size, 0);
});

test('a storm of foreign commits is answered with few reads', async () => {
  let reads = 0;
  let listener: (notice: null) => void = () => {};
  const running = { status: 'running' } as Job;
  const READ_MS = 1;
  const waits = new Waits({
    get: async () => {
      reads += 1;
      // A read that keeps the thread busy, as a real one does.
      for (const endsAt = monotonic() + READ_MS; monotonic() < endsAt;);
      return running;
    },
    onChange: (given) => {
      listener = given;
      return () => {};
    },
  });
  const waiting = Array.from({ length: 100 }, (_, i) =>
    waits.until(`mjb_${i}`, { who: who(), ms: LONG_MS }),
  );
  await until('everybody has looked twice', () => reads >= 200);
  const [startedAt, before] = [monotonic(), reads];
  await until('a second is over', () => {
    listener(null);
    return monotonic() - startedAt > 1_000;
  });
  assert.ok(reads - before < 250, `${reads - before} reads of 1 ms in a second`);
  waits.close();
  await Promise.all(waiting);
});

test('who has left before his wait begins does not wait', async (t) => {
  const { store, waits } = await aStore(t);
  const job = await aJobThatIs(store, 'running');
  const signal = AbortSignal.abort();
  const { job: seen, ms } = await timed(
    waits.until(job.id, { who: ownerOf(job), ms: LONG_MS, signal }),
  );
  assert.equal(seen.status, 'running');
  assert.ok(ms < 5_000, `${ms} ms`);
});

test('a store that fails is asked again a few times a second, not as fast as it answers', async () => {
  let reads = 0;
  const waits = new Waits({
    get() {
      reads += 1;
      if (reads === 1) return Promise.resolve({ status: 'running' } as Job);
      return Promise.reject(new JobError('STORE_BUSY'));
    },
    onChange: () => () => {},
  });
  const waiting = waits.until('mjb_1', { who: who(), ms: 1_000 });
  await assert.rejects(waiting, { code: 'STORE_BUSY' });
  assert.ok(reads <= 10, `${reads} reads`);
});

test('a store that fails for a while costs nobody his wait', async (t) => {
  const { store } = await aStore(t);
  let isBroken = false;
  const waits = new Waits({
    get: (id, caller) =>
      isBroken ? Promise.reject(new JobError('STORE_BUSY')) : store.get(id, caller),
    onChange: (listener) => store.onChange(listener),
  });
  const job = await aJobThatIs(store, 'running');
  const waiting = waitFor(waits, job);
  await until('somebody waits', () => waits.size === 1);
  isBroken = true;
  await applied(store, job, complete(job, '{}', []));
  setTimeout(() => {
    isBroken = false;
  }, 400);
  assert.equal((await waiting).status, 'completed');
  const unlucky = waitFor(waits, await aJobThatIs(store, 'running'), 300);
  await until('somebody waits', () => waits.size === 1);
  isBroken = true;
  await assert.rejects(
    unlucky,
    (error) => error instanceof JobError && error.code === 'STORE_BUSY',
  );
});
