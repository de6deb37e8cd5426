/** One team with a flood of jobs, and fifty others with one each. */
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, test, type TestContext } from 'node:test';
import type { Store } from '../../src/store/store.ts';
import { aJob } from '../support/a-job.ts';
import { until } from '../support/until.ts';
import {
  emptyPlace,
  ENGINES,
  type Engine,
  jobOf,
  openAt,
  runningIn,
  startCrew,
  submit,
} from './place.ts';

const FLOOD = 10_000;
const OTHERS = 50;
const PROCESSES = 2;
const CONCURRENCY = 4;

/** One job of each of many teams, one after another. @returns how long they waited to start, in ms */
async function waits(store: Store): Promise<number[]> {
  const sent: { team: string; id: string }[] = [];
  for (let i = 0; i < OTHERS; i += 1) {
    const team = `tem_${i}`;
    const [id = ''] = await submit(store, { team, tool: 'free', ms: 5, count: 1 });
    sent.push({ team, id });
    await pause(10);
  }
  return Promise.all(
    sent.map(async ({ team, id }) => {
      const job = await until('the job has ended', async () => {
        const found = await jobOf(store, team, id);
        return found.completedAt !== null && found;
      });
      return (job.startedAt ?? Infinity) - job.createdAt;
    }),
  );
}

const p99 = (times: readonly number[]) =>
  times.toSorted((a, b) => a - b)[Math.ceil(times.length * 0.99) - 1] ?? Infinity;

async function holdsNobodyUp(t: TestContext, engine: Engine, maxRunningPerTeam: number) {
  const slots = maxRunningPerTeam || PROCESSES * CONCURRENCY;
  const place = await emptyPlace(t, engine);
  const store = await openAt(place);
  t.after(() => store.close());
  for (let i = 0; i < PROCESSES; i += 1) {
    await startCrew(t, { ...place, concurrency: CONCURRENCY, maxRunningPerTeam });
  }
  const idle = p99(await waits(store));
  await submit(store, { team: 'tem_flood', tool: 'free', ms: 100, count: FLOOD });
  const flood = async () =>
    (await runningIn(store)).find(({ team }) => team === 'tem_flood')?.running ?? 0;
  await until('the flood has every slot that it may have', async () => (await flood()) === slots);
  const flooded = p99(await waits(store));
  t.diagnostic(`p99 of the wait: ${idle} ms when idle, ${flooded} ms in the flood`);
  assert.ok(flooded <= Math.max(1_000, 2 * idle), `${flooded} ms, ${idle} ms when idle`);
  await until('the flood has them again', async () => (await flood()) === slots);
  const more = store.insert(aJob({ team: 'tem_flood', tool: 'free' }), FLOOD / 2);
  await assert.rejects(more, { code: 'RATE_LIMITED' });
}

for (const engine of ENGINES) {
  for (const perTeam of [0, 3]) {
    describe(`on ${engine}, ${perTeam === 0 ? 'without limits' : 'with a limit of the team'}`, () => {
      test('a flood of queued jobs of a team holds nobody up', (t) =>
        holdsNobodyUp(t, engine, perTeam));
    });
  }
}
