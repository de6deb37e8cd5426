import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { test } from 'node:test';
import { defineStatement } from '../../../src/job/effects.ts';
import type { Job } from '../../../src/job/job.ts';
import { ask, cancel, complete, faulted, handBack } from '../../../src/job/transitions.ts';
import type { ClaimRequest, RunningLimits, Store } from '../../../src/store/store.ts';
import { Seeded } from '../../faults/random.ts';
import { aJob, claim, ownerOf } from '../../support/a-job.ts';
import { until } from '../../support/until.ts';
import type { OpenStore } from './open.ts';

const RUNNING = `SELECT team_id AS team, tool, count(*) AS running FROM jobs
  WHERE status = 'running' GROUP BY team_id, tool`;
const COUNT = defineStatement({ name: 'count_running', sqlite: RUNNING, postgres: RUNNING });

const OPEN_TEXT = `SELECT count(*) AS open FROM jobs WHERE completed_at IS NULL`;
const OPEN = defineStatement({ name: 'count_open', sqlite: OPEN_TEXT, postgres: OPEN_TEXT });

const DUE_TEXT = `SELECT count(*) AS due FROM jobs WHERE status = 'queued' AND due_at IS NULL`;
const DUE = defineStatement({ name: 'count_due', sqlite: DUE_TEXT, postgres: DUE_TEXT });

const WHOSE_TEXT = `SELECT team_id AS team, tool, count(*) AS due FROM jobs
  WHERE status = 'queued' AND due_at IS NULL GROUP BY team_id, tool ORDER BY team_id, tool`;
const WHOSE = defineStatement<Record<string, never>, { team: string; tool: string; due: number }>({
  name: 'count_due_of_each',
  sqlite: WHOSE_TEXT,
  postgres: WHOSE_TEXT,
});

/** Jobs that a claim would meet, by team and tool. */
export async function dueOf(store: Store): Promise<Record<string, number>> {
  const rows = await store.read(WHOSE, {});
  return Object.fromEntries(rows.map(({ team, tool, due }) => [`${team} ${tool}`, due]));
}

type Limits = { perTeam?: number; tools?: Record<string, { max?: number; perTeam?: number }> };

export function limits({ perTeam = 0, tools = {} }: Limits): RunningLimits {
  const all = Object.entries(tools).map(
    ([tool, one]) => [tool, { max: 0, perTeam: 0, ...one }] as const,
  );
  return { perTeam, tools: new Map(all) };
}

const TWO = { limits: limits({ perTeam: 2 }) };

export async function insertAll(
  store: Store,
  count: number,
  given: Parameters<typeof aJob>[0] = {},
) {
  const jobs = Array.from({ length: count }, () => aJob(given));
  for (const job of jobs) await store.insert(job, 0);
  return jobs.map(({ id }) => id);
}

/** Claim until nothing more is due, as a worker does. */
export async function claimAll(store: Store, given: Partial<ClaimRequest>): Promise<Job[]> {
  const jobs: Job[] = [];
  for (;;) {
    const claimed = await claim(store, { ...given, limit: (given.limit ?? 100) - jobs.length });
    jobs.push(...claimed.jobs);
    if (claimed.jobs.length === 0 && claimed.nextDueMs !== 0) return jobs;
  }
}

const sweep = (store: Store) => store.sweep({ retentionMs: 1e9, toolMissingMs: 1e9 });

const ids = (jobs: readonly Job[]) => jobs.map(({ id }) => id);

export function limiting(open: OpenStore): void {
  test('of a team no more run than its limit, and the others are not held up', async (t) => {
    const store = await open(t);
    const many = await insertAll(store, 30, { team: 'tem_many' });
    const few = await insertAll(store, 2, { team: 'tem_few' });
    const claimed = await claimAll(store, TWO);
    assert.deepEqual(ids(claimed).toSorted(), [...many.slice(0, 2), ...few].toSorted());
    const later = await insertAll(store, 1, { team: 'tem_later' });
    assert.deepEqual(ids((await claim(store, { ...TWO, limit: 1 })).jobs), later);
  });

  for (const [limit, given, expected] of [
    ['a tool', { tools: { print: { max: 3 } } }, { print: [3, 0], scan: [5, 5] }],
    ['a tool of each team', { tools: { print: { perTeam: 3 } } }, { print: [3, 3], scan: [5, 5] }],
    [
      'a team and a tool',
      { perTeam: 5, tools: { print: { max: 6 }, scan: { perTeam: 2 } } },
      { print: [3, 3], scan: [2, 2] },
    ],
  ] as const) {
    test(`the limit of ${limit} holds beside what has none`, async (t) => {
      const store = await open(t);
      for (const team of ['tem_a', 'tem_b']) {
        for (const tool of ['print', 'scan']) await insertAll(store, 5, { team, tool });
      }
      await claimAll(store, { tools: ['print', 'scan'], limits: limits(given) });
      const running = await store.read(COUNT, {});
      const of = (team: string, tool: string) =>
        (running.find((row) => row['team'] === team && row['tool'] === tool)?.['running'] ??
          0) as number;
      for (const [tool, counts] of Object.entries(expected)) {
        const found: [number, number] = [of('tem_a', tool), of('tem_b', tool)];
        // Which team fills a tool is a matter of turns; how much of it runs is not.
        assert.equal(found[0] + found[1], counts[0] + counts[1], `${tool}: ${found.join(' ')}`);
      }
    });
  }

  test('sixteen claimers at once never pass a limit, and every job ends', async (t) => {
    const store = await open(t);
    const bounds = limits({ perTeam: 3, tools: { print: { max: 5 }, scan: { perTeam: 2 } } });
    const tools = ['print', 'scan'];
    for (const team of ['tem_a', 'tem_b', 'tem_c']) {
      for (const tool of tools) await insertAll(store, 15, { team, tool });
    }
    let ended = 0;
    const check = async () => {
      const rows = await store.read(COUNT, {});
      const sum = (key: string, value: string) =>
        rows.filter((row) => row[key] === value).reduce((n, row) => n + Number(row['running']), 0);
      for (const team of ['tem_a', 'tem_b', 'tem_c']) assert.ok(sum('team', team) <= 3);
      assert.ok(sum('tool', 'print') <= 5);
      for (const row of rows) assert.ok(row['tool'] === 'print' || Number(row['running']) <= 2);
    };
    await Promise.all(
      Array.from({ length: 16 }, async (_, i) => {
        const request = { worker: `wrk_${i}`, tools, limit: 1 + (i % 3), limits: bounds };
        while (ended < 90) {
          const { jobs } = await claim(store, request);
          await check();
          for (const job of jobs) {
            await store.apply(job.id, complete(job, '{}', []));
            ended += 1;
          }
          if (jobs.length === 0) await pause(2);
        }
      }),
    );
    assert.equal(ended, 90);
  });

  const ends: readonly (readonly [string, (store: Store, job: Job) => Promise<unknown>])[] = [
    ['is completed', (store, job) => store.apply(job.id, complete(job, '{}', []))],
    ['asks', (store, job) => store.apply(job.id, ask(job, { size: 'How large?' }, 60_000))],
    [
      'rests after a fault',
      (store, job) =>
        store.apply(job.id, { ...faulted(job, 'ATTEMPTS_EXHAUSTED'), delayMs: 60_000 }),
    ],
    ['is cancelled', (store, job) => store.applyAs(job.id, ownerOf(job), cancel('req_2'))],
  ];
  for (const [what, end] of ends) {
    test(`when a job of a full team ${what}, its next one may start at once`, async (t) => {
      const store = await open(t);
      const [, , next] = await insertAll(store, 5);
      const [first] = await claimAll(store, TWO);
      assert.ok(first);
      assert.deepEqual((await claim(store, TWO)).jobs, []);
      let calls = 0;
      t.after(
        store.onDue(() => {
          calls += 1;
        }),
      );
      await end(store, first);
      await until('whoever waits for work is woken', () => calls > 0, { ms: 900 });
      assert.deepEqual(ids(await claimAll(store, TWO)), [next]);
    });
  }

  test('a job that is handed back or taken over frees its slot', async (t) => {
    const store = await open(t);
    const [one, two, three] = await insertAll(store, 4);
    const claimed = await claimAll(store, { ...TWO, leaseMs: 300 });
    assert.deepEqual(ids(claimed), [one, two]);
    const [first] = claimed;
    assert.ok(first);
    await store.apply(first.id, handBack(first));
    assert.deepEqual(ids(await claimAll(store, TWO)), [one], 'it stands before the others');
    await until('the lease of the other is over', async () =>
      (await sweep(store)).moved.includes(two ?? ''),
    );
    const [again] = await claimAll(store, TWO);
    assert.ok(again && [two, three].includes(again.id));
    assert.deepEqual(await claimAll(store, TWO), []);
  });

  test('a limit that was raised is filled, one that was lowered is reached by and by', async (t) => {
    const store = await open(t);
    await insertAll(store, 12);
    const [first] = await claimAll(store, TWO);
    assert.ok(first);
    await store.apply(first.id, complete(first, '{}', []));
    const more = await claimAll(store, { limits: limits({ perTeam: 6 }) });
    assert.equal(more.length, 5);
    for (const job of more.slice(0, 4)) await store.apply(job.id, complete(job, '{}', []));
    assert.deepEqual(await claimAll(store, TWO), []);
    const [last] = more.slice(4);
    assert.ok(last);
    await store.apply(last.id, complete(last, '{}', []));
    assert.equal((await claimAll(store, TWO)).length, 1);
  });

  test('whatever becomes of the runs, limits hold and no job is left behind, without any sweep', async (t) => {
    const store = await open(t);
    const tools = ['print', 'scan', 'fax'];
    const bounds = { print: { max: 4, perTeam: 2 }, scan: { perTeam: 1 } };
    const request = { tools, limits: limits({ perTeam: 3, tools: bounds }) };
    const random = new Seeded(11);
    const running: Job[] = [];
    const endings: readonly ((job: Job) => Promise<unknown>)[] = [
      (job) => store.apply(job.id, complete(job, '{}', [])),
      (job) => store.apply(job.id, handBack(job)),
      (job) => store.applyAs(job.id, ownerOf(job), cancel('req_2')),
      async (job) => {
        await store.apply(job.id, ask(job, { size: 'How large?' }, 60_000));
        await store.answer(job.id, ownerOf(job), { size: 3 });
      },
    ];
    let inserted = 0;
    for (let ended = 0, idle = 0; inserted < 40 || running.length > 0 || idle < 2;) {
      for (let i = random.below(3); i > 0 && inserted < 40; i -= 1, inserted += 1) {
        const team = random.of(['tem_a', 'tem_a', 'tem_b', 'tem_c']);
        await store.insert(aJob({ team, tool: random.of(tools) }), 0);
      }
      const { jobs, nextDueMs } = await claim(store, { ...request, limit: 1 + random.below(4) });
      running.push(...jobs);
      idle = jobs.length > 0 || nextDueMs === 0 || running.length > 0 ? 0 : idle + 1;
      const count = (of: (job: Job) => boolean) => running.filter(of).length;
      assert.ok(count(({ tool }) => tool === 'print') <= 4);
      for (const team of ['tem_a', 'tem_b', 'tem_c']) {
        assert.ok(count((job) => job.team === team) <= 3);
        assert.ok(count((job) => job.team === team && job.tool === 'print') <= 2);
        assert.ok(count((job) => job.team === team && job.tool === 'scan') <= 1);
      }
      if (running.length === 0 || random.isTrue(0.2)) continue;
      const [job] = running.splice(random.below(running.length), 1);
      // Every other way in the beginning, so that all ends come in the end.
      if (job) await endings[ended < 50 ? random.below(endings.length) : 0]?.(job);
      ended += 1;
    }
    const left = await store.read(OPEN, {});
    assert.deepEqual(left, [{ open: 0 }]);
  });

  test('holding back the jobs of one team holds back no other', async (t) => {
    const store = await open(t);
    await insertAll(store, 8, { team: 'tem_many' });
    assert.equal((await claim(store, { ...TWO, limit: 2 })).jobs.length, 2);
    await insertAll(store, 2, { team: 'tem_few' });
    await insertAll(store, 8, { team: 'tem_many', tool: 'scan' });
    const [few] = (await claim(store, { ...TWO, limit: 1 })).jobs;
    assert.equal(few?.team, 'tem_few');
    assert.equal((await dueOf(store))['tem_many scan'], 8);
  });

  test('what runs of one tool takes no room from the limit of another', async (t) => {
    const store = await open(t);
    const one = { max: 1, perTeam: 1 };
    const each = limits({ tools: { print: one, scan: one } });
    await insertAll(store, 1, { tool: 'scan' });
    assert.equal((await claimAll(store, { tools: ['scan'], limits: each })).length, 1);
    await insertAll(store, 2);
    assert.equal((await claimAll(store, { limits: each })).length, 1);
  });

  test('the end of a run lets go one job of each tool of its team, and of no other team', async (t) => {
    const store = await open(t);
    const tools = ['fax', 'print', 'scan'];
    const request = { tools, limits: TWO.limits };
    for (const team of ['tem_b', 'tem_a', 'tem_c']) {
      for (const tool of tools) await insertAll(store, 3, { team, tool });
    }
    const claimed = await claimAll(store, request);
    assert.equal(claimed.length, 6);
    const mine = claimed.find(({ team }) => team === 'tem_a');
    assert.ok(mine);
    assert.deepEqual(await dueOf(store), {});
    await store.apply(mine.id, complete(mine, '{}', []));
    const one = { 'tem_a fax': 1, 'tem_a print': 1, 'tem_a scan': 1 };
    assert.deepEqual(await dueOf(store), one);
  });

  test('the sweep lets go what is stranded, and nothing of a team or a tool whose run goes on', async (t) => {
    const store = await open(t);
    const request = { tools: ['print', 'scan'], limits: limits({ perTeam: 1 }) };
    await insertAll(store, 6, { team: 'tem_full' });
    await insertAll(store, 6, { team: 'tem_full', tool: 'scan' });
    const stranded = await insertAll(store, 6, { team: 'tem_left' });
    const claimed = await claimAll(store, request);
    await sweep(store);
    await claimAll(store, request);
    const mine = claimed.find(({ team }) => team === 'tem_left');
    assert.ok(mine);
    await store.apply(mine.id, complete(mine, '{}', []));
    // What the end has let go is cancelled before it is claimed.
    await store.applyAs(stranded[1] ?? '', ownerOf(mine), cancel('req_2'));
    assert.deepEqual(await dueOf(store), {});
    await insertAll(store, 1, { team: 'tem_new' });
    await sweep(store);
    assert.deepEqual(await dueOf(store), { 'tem_left print': 4, 'tem_new print': 1 });
  });

  test('the sweep lets go what no end of a run will', async (t) => {
    const store = await open(t);
    const all = await insertAll(store, 8);
    const claimed = await claimAll(store, TWO);
    await sweep(store);
    assert.equal((await claimAll(store, TWO)).length, 0, 'the ends of those that run are to come');
    for (const job of claimed) await store.apply(job.id, complete(job, '{}', []));
    // What the two ends have let go is cancelled before it is claimed.
    for (const id of all.slice(2, 4)) await store.applyAs(id, ownerOf(aJob()), cancel('req_2'));
    assert.deepEqual(await claimAll(store, TWO), []);
    await sweep(store);
    assert.deepEqual(ids(await claimAll(store, TWO)), all.slice(4, 6));
  });

  test('a limit that was raised is filled while a long run goes on', async (t) => {
    const store = await open(t);
    const all = await insertAll(store, 5);
    assert.equal((await claimAll(store, { limits: limits({ perTeam: 1 }) })).length, 1);
    await sweep(store);
    assert.deepEqual(
      ids(await claimAll(store, { limits: limits({ perTeam: 4 }) })),
      all.slice(1, 4),
    );
  });

  test('a job that is let go to see whether there is room is held again, for seconds', async (t) => {
    const store = await open(t);
    await insertAll(store, 5);
    const claimed = await claimAll(store, TWO);
    const due = async () => (await store.read(DUE, {}))[0]?.['due'];
    assert.equal(await due(), 0);
    await sweep(store);
    await sweep(store);
    assert.equal(await due(), 1);
    assert.deepEqual(await claimAll(store, TWO), []);
    await sweep(store);
    assert.equal(await due(), 0);
    for (const job of claimed) await store.apply(job.id, complete(job, '{}', []));
    assert.equal((await claimAll(store, TWO)).length, 2);
  });

  for (const [what, given] of [
    ['of its tool alone', { limits: limits({ tools: { scan: { perTeam: 1 } } }) }],
    ['altogether', {}],
  ] as const) {
    test(`a limit that was removed ${what} holds nothing, though limited runs go on`, async (t) => {
      const store = await open(t);
      const tools = ['print', 'scan'];
      for (const tool of tools) await insertAll(store, 5, { tool });
      const each = limits({ tools: { print: { perTeam: 1 }, scan: { perTeam: 1 } } });
      assert.equal((await claimAll(store, { tools, limits: each })).length, 2);
      const next = await claimAll(store, { tools, ...given });
      assert.equal(next.filter(({ tool }) => tool === 'print').length, 4);
    });
  }
}
