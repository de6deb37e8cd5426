import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { test } from 'node:test';
import { monotonic, now } from '../../../src/job/clock.ts';
import { defineStatement } from '../../../src/job/effects.ts';
import { ask, complete, handBack } from '../../../src/job/transitions.ts';
import { identityOf } from '../../../src/store/process-identity.ts';
import type { Store, SweepOptions } from '../../../src/store/store.ts';
import { aJob, aJobThatIs, applied, claim, who } from '../../support/a-job.ts';
import type { OpenStore } from './open.ts';

const YEAR_MS = 31_536_000_000;

function sweep(store: Store, given: Partial<SweepOptions> = {}) {
  return store.sweep({ retentionMs: YEAR_MS, toolMissingMs: YEAR_MS, ...given });
}

/** The identity of a process that has ended. */
async function aDeadProcess(): Promise<string> {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  const identity = identityOf(child.pid ?? 0);
  child.kill('SIGKILL');
  await once(child, 'exit');
  return identity;
}

const self = () => identityOf(process.pid);

const APART = 'SELECT count(*) AS payloads FROM job_payloads';
const IDS = 'SELECT id FROM workers ORDER BY id';
const workerIds = defineStatement<Record<string, never>, { id: string }>({
  name: 'worker_ids',
  sqlite: IDS,
  postgres: IDS,
});
const SILENT_FOR = 'UPDATE workers SET beat_at = beat_at - :ms WHERE id = :id';
const silentFor = defineStatement<{ id: string; ms: number }>({
  name: 'silent_for',
  sqlite: SILENT_FOR,
  postgres: SILENT_FOR,
});

const countApart = defineStatement<Record<string, never>, { payloads: number }>({
  name: 'count_payloads',
  sqlite: APART,
  postgres: APART,
});

export function sweeping(open: OpenStore): void {
  test('a job whose lease has run out is taken back free of charge, its late writer refused', async (t) => {
    const store = await open(t);
    const { id } = await store.insert(aJob(), 0);
    const [job] = (await claim(store, { leaseMs: 20 })).jobs;
    assert.ok(job);
    await pause(30);
    assert.deepEqual(await sweep(store), { moved: [id], purged: 0 });
    const again = await store.get(id, who());
    assert.deepEqual([again?.status, again?.attempts, again?.runs], ['queued', 0, 1]);
    assert.equal((await store.apply(id, complete(job, '{}', []))).outcome, 'stale');
  });

  test('a job whose lease is good stays where it is', async (t) => {
    const store = await open(t);
    const job = await aJobThatIs(store, 'running');
    assert.deepEqual(await sweep(store), { moved: [], purged: 0 });
    assert.deepEqual(await store.get(job.id, who()), job);
  });

  test('in a restored database every running job is taken back, whoever holds it', async (t) => {
    const store = await open(t);
    const job = await aJobThatIs(store, 'running');
    assert.deepEqual(await sweep(store, { isRestored: true }), { moved: [job.id], purged: 0 });
    const again = await store.get(job.id, who());
    assert.deepEqual([again?.status, again?.attempts], ['queued', 0]);
    assert.equal((await store.apply(job.id, complete(job, '{}', []))).outcome, 'stale');
    assert.deepEqual(await store.renew([{ id: job.id, lease: job.lease ?? '' }], 1_000), [job.id]);
    assert.equal((await claim(store, { tools: [job.tool] })).jobs[0]?.id, job.id);
  });

  test('a run that lost its lease but was not taken back yet may still end', async (t) => {
    const store = await open(t);
    await store.insert(aJob(), 0);
    const [job] = (await claim(store, { leaseMs: 1 })).jobs;
    assert.ok(job);
    await pause(5);
    await applied(store, job, complete(job, '{}', []));
  });

  test('the job of a dead worker is taken over at once, that of a living one is not', async (t) => {
    const store = await open(t);
    const gone = await aDeadProcess();
    await store.beat({ id: 'wrk_dead', process: gone, supervisor: gone, tools: ['print'] });
    await store.beat({ id: 'wrk_live', process: self(), supervisor: self(), tools: ['print'] });
    for (let i = 0; i < 2; i += 1) await store.insert(aJob(), 0);
    const [orphan] = (await claim(store, { worker: 'wrk_dead', limit: 1 })).jobs;
    await claim(store, { worker: 'wrk_live', limit: 1 });
    assert.deepEqual((await sweep(store)).moved, [orphan?.id]);
    assert.equal((await store.get(orphan?.id ?? '', who()))?.attempts, 0);
  });

  test('the job of a dead worker is left to its supervisor while that lives', async (t) => {
    const store = await open(t);
    const gone = await aDeadProcess();
    await store.beat({ id: 'wrk_1', process: gone, supervisor: self(), tools: ['print'] });
    await aJobThatIs(store, 'running');
    assert.deepEqual((await sweep(store)).moved, []);
  });

  test('a worker that nobody can look up is trusted until its lease ends', async (t) => {
    const store = await open(t);
    const [boot, , pid, start] = self().split('/');
    const elsewhere = [boot, 'another-namespace', pid, start].join('/');
    await store.beat({ id: 'wrk_1', process: elsewhere, supervisor: elsewhere, tools: ['print'] });
    await aJobThatIs(store, 'running');
    assert.deepEqual((await sweep(store)).moved, []);
  });

  test('no lease and no wait for an answer ends before its time', async (t) => {
    const store = await open(t);
    const asking = await aJobThatIs(store, 'running');
    await applied(store, asking, ask(asking, { q: 1 }, 4_000));
    assert.deepEqual((await sweep(store)).moved, []);
    const { id } = await store.insert(aJob(), 0);
    // Until a look was quick enough to be sure that the lease was good.
    for (const giveUpAt = monotonic() + 30_000; monotonic() < giveUpAt;) {
      const claimedAt = monotonic();
      const [job] = (await claim(store, { leaseMs: 500 })).jobs;
      assert.equal(job?.id, id);
      const { moved } = await sweep(store);
      if (monotonic() - claimedAt < 400) return assert.deepEqual(moved, []);
      if (moved.length === 0) await store.apply(id, handBack(job));
    }
    assert.fail('no look was quick enough');
  });

  test('a waiting job ends when nobody has answered in time', async (t) => {
    const store = await open(t);
    const late = await aJobThatIs(store, 'running');
    await store.apply(late.id, {
      from: ['running'],
      to: 'waiting',
      lease: late.lease,
      questions: { q: 1 },
      waitMs: 10,
    });
    const early = await aJobThatIs(store, 'waiting');
    await pause(20);
    assert.deepEqual((await sweep(store)).moved, [late.id]);
    const ended = await store.get(late.id, who());
    assert.deepEqual([ended?.status, ended?.error?.code], ['failed', 'INPUT_TIMEOUT']);
    assert.equal((await store.get(early.id, who()))?.status, 'waiting');
  });

  test('a job whose tool no living worker knows for long enough ends and says so', async (t) => {
    const store = await open(t);
    const fax = await store.insert(aJob({ tool: 'fax' }), 0);
    const print = await store.insert(aJob({ tool: 'print' }), 0);
    await sweep(store, { toolMissingMs: 0 });
    await sweep(store, { toolMissingMs: 0 });
    assert.equal((await store.get(fax.id, who()))?.status, 'queued', 'no worker lives at all');
    await store.beat({ id: 'wrk_1', process: self(), supervisor: self(), tools: ['print'] });
    assert.deepEqual((await sweep(store, { toolMissingMs: 30 })).moved, []);
    assert.deepEqual((await sweep(store)).moved, [], 'not for long enough');
    await pause(40);
    assert.deepEqual((await sweep(store, { toolMissingMs: 30 })).moved, [fax.id]);
    const ended = await store.get(fax.id, who());
    assert.deepEqual([ended?.status, ended?.error?.code], ['failed', 'TOOL_UNAVAILABLE']);
    assert.equal((await store.get(print.id, who()))?.status, 'queued');
  });

  test('a worker that has not beaten for half a minute neither lives nor knows a tool', async (t) => {
    const store = await open(t);
    const worker = { process: self(), supervisor: self() };
    await store.beat({ ...worker, id: 'wrk_1', tools: ['fax'] });
    await store.beat({ ...worker, id: 'wrk_2', tools: ['print'] });
    const { id } = await store.insert(aJob({ tool: 'fax' }), 0);
    const swept = async () => {
      await sweep(store, { toolMissingMs: 10 });
      await pause(20);
      return (await sweep(store, { toolMissingMs: 10 })).moved;
    };
    await store.write([silentFor({ id: 'wrk_1', ms: 15_000 }, { expect: 1 })]);
    assert.deepEqual([await swept(), (await store.health()).workers], [[], 2]);
    await store.write([silentFor({ id: 'wrk_1', ms: 16_000 }, { expect: 1 })]);
    assert.deepEqual([await swept(), (await store.health()).workers], [[id], 1]);
    await store.beat({ ...worker, id: 'wrk_1', tools: ['fax'] });
    assert.equal((await store.health()).workers, 2);
  });

  test('a worker that has ended is forgotten, unless its supervisor lives and has to settle its jobs', async (t) => {
    const store = await open(t);
    const gone = await aDeadProcess();
    await store.beat({ id: 'wrk_1', process: gone, supervisor: gone, tools: [] });
    await store.beat({ id: 'wrk_2', process: gone, supervisor: self(), tools: [] });
    await store.beat({ id: 'wrk_3', process: self(), supervisor: self(), tools: [] });
    await store.beat({ id: 'wrk_4', process: self(), supervisor: self(), tools: [] });
    await store.write([silentFor({ id: 'wrk_4', ms: 3_601_000 }, { expect: 1 })]);
    await sweep(store);
    const left = (await store.read(workerIds, {})).map(({ id }) => id);
    assert.deepEqual(left, ['wrk_2', 'wrk_3']);
  });

  test('a job that has rested ends like any other when no living worker knows its tool', async (t) => {
    const store = await open(t);
    const { id } = await store.insert(aJob({ tool: 'fax' }), 0);
    const [job] = (await claim(store, { tools: ['fax'] })).jobs;
    assert.ok(job);
    await store.apply(id, { ...handBack(job), delayMs: 10 });
    await store.beat({ id: 'wrk_1', process: self(), supervisor: self(), tools: ['print'] });
    await pause(20);
    assert.deepEqual((await sweep(store, { toolMissingMs: 10 })).moved, []);
    await pause(20);
    assert.deepEqual((await sweep(store, { toolMissingMs: 10 })).moved, [id]);
  });

  test('a tool that is known again in time keeps its jobs', async (t) => {
    const store = await open(t);
    await store.insert(aJob({ tool: 'fax' }), 0);
    const worker = { process: self(), supervisor: self() };
    await store.beat({ ...worker, id: 'wrk_1', tools: ['print'] });
    await sweep(store, { toolMissingMs: 20 });
    await store.beat({ ...worker, id: 'wrk_2', tools: ['fax'] });
    await pause(30);
    assert.deepEqual((await sweep(store, { toolMissingMs: 20 })).moved, []);
    await store.beat({ ...worker, id: 'wrk_2', tools: [] });
    assert.deepEqual((await sweep(store, { toolMissingMs: 20 })).moved, [], 'counted anew');
  });

  test('the retention of a job begins when it has ended, however old it is', async (t) => {
    const store = await open(t);
    const job = await aJobThatIs(store, 'running', { createdAt: now() - 3_600_000 });
    await applied(store, job, complete(job, '{}', []));
    assert.equal((await sweep(store, { retentionMs: 60_000 })).purged, 0);
    assert.equal((await store.get(job.id, who()))?.status, 'completed');
  });

  test('what was kept apart of a job is purged with it', async (t) => {
    const store = await open(t);
    const large = JSON.stringify('x'.repeat(100_000));
    const job = await aJobThatIs(store, 'running', { input: large });
    await applied(store, job, complete(job, large, []));
    const apart = async () => (await store.read(countApart, {}))[0]?.payloads;
    assert.equal(await apart(), 2);
    await pause(5);
    assert.equal((await sweep(store, { retentionMs: 1 })).purged, 1);
    assert.equal(await apart(), 0);
  });

  test('final jobs are purged after their retention, at most a hundred at a time', async (t) => {
    const store = await open(t);
    for (let i = 0; i < 130; i += 1) await store.insert(aJob(), 0);
    const { jobs } = await claim(store, { limit: 130 });
    await Promise.all(
      jobs.slice(0, 120).map((job) => store.apply(job.id, complete(job, '{}', []))),
    );
    await store.insert(aJob(), 0);
    assert.equal((await sweep(store)).purged, 0);
    await pause(5);
    const steps: number[] = [];
    for (let i = 0; i < 3; i += 1) steps.push((await sweep(store, { retentionMs: 1 })).purged);
    assert.deepEqual(steps, [100, 20, 0]);
    assert.equal(await store.get(jobs[0]?.id ?? '', who()), null);
    const left = await store.list({
      who: who(),
      status: null,
      tool: null,
      before: null,
      limit: 101,
    });
    assert.deepEqual(left.map(({ status }) => status).toSorted(), [
      'queued',
      ...Array.from({ length: 10 }, () => 'running'),
    ]);
  });
}
