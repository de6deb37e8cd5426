import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { test } from 'node:test';
import { RUNS_MAX } from '../../../src/job/job.ts';
import { ask, complete, handBack } from '../../../src/job/transitions.ts';
import type { Store } from '../../../src/store/store.ts';
import { aJob, applied, claim, who } from '../../support/a-job.ts';
import { until } from '../../support/until.ts';
import type { OpenStore } from './open.ts';

export function claiming(open: OpenStore): void {
  test('a claimed job is running under a fresh lease of its worker', async (t) => {
    const store = await open(t);
    const { id } = await store.insert(aJob(), 0);
    const [job, ...rest] = (await claim(store, { worker: 'wrk_7' })).jobs;
    assert.equal(rest.length, 0);
    assert.ok(job?.lease && job.lease.length >= 20);
    assert.deepEqual([job.id, job.status, job.worker, job.runs], [id, 'running', 'wrk_7', 1]);
    assert.ok(job.startedAt !== null && job.startedAt >= job.createdAt);
    assert.deepEqual(await store.get(id, who()), job);
    assert.deepEqual(await claim(store), { jobs: [], nextDueMs: null });
  });

  test('a job is claimed by one of many that ask at once', async (t) => {
    const store = await open(t);
    for (let i = 0; i < 30; i += 1) await store.insert(aJob(), 0);
    const claims = await Promise.all(
      Array.from({ length: 20 }, (_, i) => claim(store, { worker: `wrk_${i}`, limit: 3 })),
    );
    const ids = claims.flatMap(({ jobs }) => jobs.map((job) => job.id));
    assert.equal(ids.length, 30);
    assert.equal(new Set(ids).size, 30);
    assert.equal(new Set(claims.flatMap(({ jobs }) => jobs.map((job) => job.lease))).size, 30);
  });

  test('no more than the limit is claimed, oldest first', async (t) => {
    const store = await open(t);
    const ids: string[] = [];
    for (let i = 0; i < 5; i += 1) ids.push((await store.insert(aJob(), 0)).id);
    const first = (await claim(store, { limit: 2 })).jobs.map(({ id }) => id);
    const second = (await claim(store, { limit: 9 })).jobs.map(({ id }) => id);
    assert.deepEqual([...first, ...second], ids);
  });

  test('no more than the limit is claimed of all tools together', async (t) => {
    const store = await open(t);
    const tools = ['print', 'scan', 'fax'];
    for (const tool of [...tools, ...tools]) await store.insert(aJob({ tool }), 0);
    const claimed: number[] = [];
    for (const limit of [2, 3, 9]) {
      claimed.push((await claim(store, { tools, limit })).jobs.length);
    }
    assert.deepEqual(claimed, [2, 3, 1]);
  });

  test('a tool that the worker does not know is not claimed', async (t) => {
    const store = await open(t);
    await store.insert(aJob({ tool: 'fax' }), 0);
    assert.equal((await claim(store, { tools: ['print', 'fa', 'fax2'] })).jobs.length, 0);
    assert.equal((await claim(store, { tools: [] })).jobs.length, 0);
    assert.equal((await claim(store, { tools: ['print', 'fax'] })).jobs.length, 1);
  });

  test('a team with many queued jobs does not hold up another', async (t) => {
    const store = await open(t);
    for (let i = 0; i < 50; i += 1) await store.insert(aJob({ team: 'tem_many' }), 0);
    await claim(store, { limit: 10 });
    for (let i = 0; i < 2; i += 1) await store.insert(aJob({ team: 'tem_few' }), 0);
    const teams = (await claim(store, { limit: 4 })).jobs.map(({ team }) => team);
    assert.equal(teams.filter((team) => team === 'tem_few').length, 2, teams.join(' '));
  });

  test('a team that was away gains no turns by it', async (t) => {
    const store = await open(t);
    for (let i = 0; i < 40; i += 1) await store.insert(aJob({ team: 'tem_busy' }), 0);
    await claim(store, { limit: 20 });
    for (let i = 0; i < 20; i += 1) await store.insert(aJob({ team: 'tem_back' }), 0);
    const teams = (await claim(store, { limit: 20 })).jobs.map(({ team }) => team);
    assert.equal(teams.filter((team) => team === 'tem_busy').length, 10, teams.join(' '));
  });

  /** One slot, and teams that submit their next job whenever one has ended. @returns the runs of each team */
  async function runsOf(store: Store, looping: readonly string[], count: number) {
    const runs: Record<string, number> = {};
    for (let i = 0; i < count; i += 1) {
      const [job] = (await claim(store, { limit: 1 })).jobs;
      assert.ok(job);
      runs[job.team] = (runs[job.team] ?? 0) + 1;
      await store.apply(job.id, complete(job, '{}', []));
      if (looping.includes(job.team)) await store.insert(aJob({ team: job.team }), 0);
    }
    return runs;
  }

  test('a team with many queued jobs has its share beside teams that always have one', async (t) => {
    const store = await open(t);
    const light = ['tem_b', 'tem_c'];
    for (let i = 0; i < 50; i += 1) await store.insert(aJob({ team: 'tem_heavy' }), 0);
    for (const team of light) await store.insert(aJob({ team }), 0);
    const runs = await runsOf(store, light, 60);
    for (const team of ['tem_heavy', ...light]) {
      assert.ok(Math.abs((runs[team] ?? 0) - 20) <= 2, JSON.stringify(runs));
    }
  });

  test('a team whose job is queued again and again does not run ahead of another', async (t) => {
    const store = await open(t);
    await store.insert(aJob({ team: 'tem_again' }), 0);
    for (let i = 0; i < 30; i += 1) await store.insert(aJob({ team: 'tem_heavy' }), 0);
    const runs: Record<string, number> = {};
    for (let i = 0; i < 30; i += 1) {
      const [job] = (await claim(store, { limit: 1 })).jobs;
      assert.ok(job);
      runs[job.team] = (runs[job.team] ?? 0) + 1;
      const isAgain = job.team === 'tem_again';
      await store.apply(job.id, isAgain ? handBack(job) : complete(job, '{}', []));
    }
    assert.ok(Math.abs((runs['tem_again'] ?? 0) - 15) <= 2, JSON.stringify(runs));
  });

  test('a job that is queued again stands at the front, not behind what its team has queued', async (t) => {
    const store = await open(t);
    const first = await store.insert(aJob(), 0);
    const [held] = (await claim(store)).jobs;
    assert.equal(held?.id, first.id);
    for (let i = 0; i < 30; i += 1) await store.insert(aJob(), 0);
    for (let i = 0; i < 30; i += 1) await store.insert(aJob({ team: 'tem_heavy' }), 0);
    await runsOf(store, [], 20);
    await store.apply(first.id, handBack(held));
    const next = (await claim(store, { limit: 4 })).jobs.map(({ id }) => id);
    assert.ok(next.includes(first.id), 'it runs within the turn that is at the front');
  });

  test('a team that comes back is not punished for what it ran while nobody else was there', async (t) => {
    const store = await open(t);
    const light = ['tem_b', 'tem_c'];
    for (let i = 0; i < 40; i += 1) await store.insert(aJob({ team: 'tem_back' }), 0);
    assert.deepEqual(await runsOf(store, [], 40), { tem_back: 40 });
    for (let i = 0; i < 50; i += 1) await store.insert(aJob({ team: 'tem_heavy' }), 0);
    for (const team of light) await store.insert(aJob({ team }), 0);
    await runsOf(store, light, 15);
    await store.insert(aJob({ team: 'tem_back' }), 0);
    const runs = await runsOf(store, [...light, 'tem_back'], 40);
    assert.ok(Math.abs((runs['tem_back'] ?? 0) - 10) <= 2, JSON.stringify(runs));
  });

  test('a tool with many queued jobs does not hold up another tool', async (t) => {
    const store = await open(t);
    const tools = ['print', 'scan'];
    for (let i = 0; i < 60; i += 1) await store.insert(aJob(), 0);
    await claim(store, { tools, limit: 30 });
    // The turns of "print" stand at 30 by now; those of "scan" must not begin below them.
    for (let i = 0; i < 30; i += 1) {
      await store.insert(aJob({ tool: 'scan', team: 'tem_b' }), 0);
    }
    const claimed = (await claim(store, { tools, limit: 20 })).jobs.map(({ tool }) => tool);
    assert.equal(claimed.filter((tool) => tool === 'print').length, 10, claimed.join(' '));
  });

  test('tools take turns also where one job is claimed at a time', async (t) => {
    const store = await open(t);
    const tools = ['print', 'scan'];
    for (let i = 0; i < 6; i += 1) {
      for (const tool of tools) await store.insert(aJob({ tool }), 0);
    }
    const claimed: string[] = [];
    for (let i = 0; i < 6; i += 1) {
      const { jobs } = await claim(store, { tools, limit: 1 });
      claimed.push(...jobs.map(({ tool }) => tool));
    }
    assert.equal(claimed.filter((tool) => tool === 'print').length, 3, claimed.join(' '));
  });

  test('a job that must run alone is taken by an idle worker, and by itself', async (t) => {
    const store = await open(t);
    const first = (await store.insert(aJob(), 0)).id;
    const [job] = (await claim(store)).jobs;
    assert.ok(job);
    await store.apply(first, handBack(job, { alone: true }));
    const other = (await store.insert(aJob({ team: 'tem_b' }), 0)).id;
    await store.insert(aJob(), 0);
    const busy = (await claim(store, { idle: false })).jobs;
    assert.deepEqual(busy, [], 'a busy worker drains first');
    const alone = (await claim(store, { idle: true })).jobs;
    assert.deepEqual(
      alone.map(({ id, alone: flag }) => [id, flag]),
      [[first, true]],
    );
    assert.equal((await claim(store, { idle: true })).jobs[0]?.id, other);
  });

  test('a job that must run alone does not join what stands before it', async (t) => {
    const store = await open(t);
    const first = (await store.insert(aJob(), 0)).id;
    const alone = (await store.insert(aJob({ team: 'tem_b' }), 0)).id;
    for (const job of (await claim(store)).jobs) {
      await store.apply(job.id, handBack(job, { alone: job.id === alone }));
    }
    const idsOf = async (idle: boolean) => (await claim(store, { idle })).jobs.map(({ id }) => id);
    assert.deepEqual(await idsOf(true), [first]);
    assert.deepEqual(await idsOf(false), []);
    assert.deepEqual(await idsOf(true), [alone]);
  });

  test('a job that must run alone is not lost by a worker that is busy', async (t) => {
    const store = await open(t);
    const { id } = await store.insert(aJob(), 0);
    // A claim that was filled thinks that there is more, and looks no further.
    const [job] = (await claim(store, { limit: 1 })).jobs;
    assert.ok(job);
    await store.apply(id, handBack(job, { alone: true }));
    assert.deepEqual((await claim(store, { limit: 1, idle: false })).jobs, []);
    assert.equal((await claim(store, { limit: 1, idle: true })).jobs[0]?.id, id);
  });

  test('a job that rests is not claimed before its time, and its time is told', async (t) => {
    const store = await open(t);
    const { id } = await store.insert(aJob(), 0);
    const [job] = (await claim(store)).jobs;
    assert.ok(job);
    await store.apply(id, { ...handBack(job), delayMs: 150 });
    const { jobs, nextDueMs } = await claim(store);
    assert.equal(jobs.length, 0);
    assert.ok(nextDueMs !== null && nextDueMs > 0 && nextDueMs <= 150, String(nextDueMs));
    await pause(nextDueMs + 2);
    assert.equal((await claim(store)).jobs[0]?.id, id);
  });

  test('a job is claimed at most fifty times and then ends, saying so', async (t) => {
    const store = await open(t);
    const { id } = await store.insert(aJob(), 0);
    for (let run = 1; run < RUNS_MAX; run += 1) {
      const [job] = (await claim(store)).jobs;
      assert.equal(job?.runs, run);
      await store.apply(id, handBack(job));
    }
    const [last] = (await claim(store)).jobs;
    assert.equal(last?.runs, RUNS_MAX);
    await store.apply(id, handBack(last));
    const ended = await store.get(id, who());
    assert.deepEqual([ended?.status, ended?.error?.code], ['failed', 'RUNS_EXHAUSTED']);
    assert.equal(ended?.attempts, 0);
  });

  test('a job whose fiftieth run has asked is not run again when it is answered', async (t) => {
    const store = await open(t);
    const { id } = await store.insert(aJob(), 0);
    for (let run = 1; run < RUNS_MAX; run += 1) {
      const [job] = (await claim(store)).jobs;
      assert.ok(job);
      await store.apply(id, handBack(job));
    }
    const [last] = (await claim(store)).jobs;
    assert.equal(last?.runs, RUNS_MAX);
    await applied(store, last, ask(last, { size: 'How large?' }, 60_000));
    await store.answer(id, who(), { size: 'A4' });
    assert.deepEqual((await claim(store)).jobs, []);
    const ended = await store.get(id, who());
    assert.deepEqual([ended?.status, ended?.error?.code], ['failed', 'RUNS_EXHAUSTED']);
  });

  test('a lease that was renewed ends as well', async (t) => {
    const store = await open(t);
    const { id } = await store.insert(aJob(), 0);
    const [job] = (await claim(store)).jobs;
    assert.ok(job?.lease);
    assert.deepEqual(await store.renew([{ id, lease: job.lease }], 20), []);
    await pause(40);
    assert.deepEqual((await store.sweep({ retentionMs: 1e9, toolMissingMs: 1e9 })).moved, [id]);
  });

  test('renewing prolongs the own lease and names the lost ones', async (t) => {
    const store = await open(t);
    for (let i = 0; i < 3; i += 1) await store.insert(aJob(), 0);
    const [mine, ended, foreign] = (await claim(store, { leaseMs: 100 })).jobs;
    assert.ok(mine?.lease && ended?.lease && foreign);
    await store.apply(ended.id, complete(ended, '{}', []));
    const lost = await store.renew(
      [
        { id: mine.id, lease: mine.lease },
        { id: ended.id, lease: ended.lease },
        { id: foreign.id, lease: 'not-the-lease' },
        { id: 'mjb_unknown', lease: mine.lease },
        { id: mine.id, lease: 'the-lease-before' },
      ],
      20_000,
    );
    assert.deepEqual(lost, [ended.id, foreign.id, 'mjb_unknown', mine.id]);
    await pause(120);
    const { moved } = await store.sweep({ retentionMs: 1e9, toolMissingMs: 1e9 });
    assert.deepEqual(moved, [foreign.id], 'only the lease that was not renewed has run out');
  });

  test('progress is kept for the holder of the lease and for nobody else', async (t) => {
    const store = await open(t);
    const { id } = await store.insert(aJob(), 0);
    const [job] = (await claim(store)).jobs;
    assert.ok(job?.lease);
    const said = { done: 3, total: null, message: 'three' };
    assert.equal(await store.progress({ id, lease: 'other' }, { ...said, done: 9 }), false);
    assert.equal(await store.progress({ id, lease: job.lease }, said), true);
    assert.deepEqual((await store.get(id, who()))?.progress, said);
    await store.apply(id, complete(job, '{}', []));
    assert.equal(await store.progress({ id, lease: job.lease }, { ...said, done: 4 }), false);
    assert.deepEqual((await store.get(id, who()))?.progress, said);
  });

  test('what one worker holds can be asked for', async (t) => {
    const store = await open(t);
    for (let i = 0; i < 3; i += 1) await store.insert(aJob(), 0);
    const [first] = (await claim(store, { worker: 'wrk_1', limit: 1 })).jobs;
    await claim(store, { worker: 'wrk_2' });
    assert.deepEqual(await store.heldBy('wrk_1'), [first]);
    assert.equal((await store.heldBy('wrk_2')).length, 2);
    assert.deepEqual(await store.heldBy('wrk_3'), []);
  });

  test('a job that is handed back wakes whoever waits for work', async (t) => {
    const store = await open(t);
    const { id } = await store.insert(aJob(), 0);
    const [job] = (await claim(store)).jobs;
    assert.ok(job);
    let calls = 0;
    t.after(
      store.onDue(() => {
        calls += 1;
      }),
    );
    await store.apply(id, handBack(job));
    await until('the call came', () => calls > 0);
  });
}
