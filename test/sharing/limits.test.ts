/** Running limits over several processes, one of which is killed. */
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, test } from 'node:test';
import { monotonic } from '../../src/job/clock.ts';
import { fileURLToPath } from 'node:url';
import { cancel } from '../../src/job/transitions.ts';
import { started } from '../cli/a-server.ts';
import { ownerOf } from '../support/a-job.ts';
import { until } from '../support/until.ts';
import { emptyPlace, ENGINES, openAt, openIn, runningIn, startCrew, submit } from './place.ts';

const TEAMS = ['tem_a', 'tem_b', 'tem_c'];
const JOBS = fileURLToPath(new URL('./jobs.ts', import.meta.url));
const TOOLS = ['free', 'five', 'two'];

for (const engine of ENGINES) {
  describe(`limits on ${engine}`, () => {
    test('at no time more run than may, through a kill -9, and every job ends', async (t) => {
      const place = await emptyPlace(t, engine);
      const store = await openAt(place);
      t.after(() => store.close());
      const crews = await Promise.all(
        Array.from({ length: 4 }, () =>
          startCrew(t, { ...place, concurrency: 4, maxRunningPerTeam: 3 }),
        ),
      );
      for (const team of TEAMS) {
        for (const tool of TOOLS) await submit(store, { team, tool, ms: 20, count: 25 });
      }
      let most = 0;
      let isKilled = false;
      for (const giveUpAt = monotonic() + 60_000; ; await pause(1)) {
        const running = await runningIn(store);
        const sum = (of: (one: (typeof running)[number]) => boolean) =>
          running.filter(of).reduce((n, one) => n + one.running, 0);
        for (const name of TEAMS) assert.ok(sum(({ team }) => team === name) <= 3, name);
        assert.ok(sum(({ tool }) => tool === 'five') <= 5, 'five');
        for (const one of running) assert.ok(one.tool !== 'two' || one.running <= 2, 'two');
        most = Math.max(
          most,
          sum(() => true),
        );
        const open = await openIn(store);
        if (open < 150 && !isKilled && running.length > 0) {
          crews[0]?.kill('SIGKILL');
          isKilled = true;
        }
        if (open === 0) break;
        assert.ok(monotonic() < giveUpAt, `${open} jobs have not ended`);
      }
      assert.ok(isKilled);
      assert.ok(most >= 6, `at most ${most} ran at once`);
    });

    test('the next job starts with the end of the one before, not with the next look', async (t) => {
      const place = await emptyPlace(t, engine);
      const store = await openAt(place);
      t.after(() => store.close());
      await startCrew(t, { ...place, concurrency: 2, maxRunningPerTeam: 1 });
      const begunAt = monotonic();
      await submit(store, { team: 'tem_a', tool: 'free', ms: 5, count: 40 });
      await until('all have ended', async () => (await openIn(store)) === 0, { ms: 60_000 });
      const took = monotonic() - begunAt;
      assert.ok(took < 15_000, `40 jobs of 5 ms took ${Math.round(took)} ms`);
    });

    test('the command line, its workers and the limits of definitions keep them too', async (t) => {
      const place = await emptyPlace(t, engine);
      const store = await openAt(place);
      t.after(() => store.close());
      const given = { tool: 'free', ms: 600_000, count: 6 };
      for (const team of ['tem_a', 'tem_b']) await submit(store, { ...given, team });
      await submit(store, { ...given, team: 'tem_c', tool: 'two' });
      for (const more of [['--workers', '2'], []]) {
        const args = ['worker', '--jobs', JOBS, '--concurrency', '4', '--json', ...more];
        await started(t, [...args, '--max-running-per-team', '3'], { MCP_ASYNC_JOBS_DB: place.at });
      }
      const counts = async () =>
        (await runningIn(store)).map(({ team, running }) => `${team} ${running}`).toSorted();
      const expected = ['tem_a 3', 'tem_b 3', 'tem_c 2'];
      await until('all slots are taken', async () => (await counts()).length === 3);
      await until('they are full', async () => (await counts()).join() === expected.join());
      await pause(1_200);
      assert.deepEqual(await counts(), expected);
    });

    test('a cancel in another process makes room', async (t) => {
      const place = await emptyPlace(t, engine);
      const store = await openAt(place);
      t.after(() => store.close());
      await startCrew(t, { ...place, concurrency: 2, maxRunningPerTeam: 1 });
      const team = 'tem_a';
      const given = { team, tool: 'free', ms: 600_000, count: 1 };
      const [first = ''] = await submit(store, given);
      await until('it runs', async () => (await runningIn(store)).length === 1);
      await submit(store, { ...given, ms: 1 });
      await pause(50);
      assert.equal(await openIn(store), 2);
      const who = ownerOf({ team, owner: 'usr_a' });
      assert.equal((await store.applyAs(first, who, cancel('req_c'))).outcome, 'applied');
      await until('the other has run', async () => (await openIn(store)) === 0, { ms: 5_000 });
    });
  });
}
