/** What is let go of the jobs that limits hold, and who hears of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { complete } from '../../../src/job/transitions.ts';
import type { Store } from '../../../src/store/store.ts';
import { claim } from '../../support/a-job.ts';
import { until } from '../../support/until.ts';
import { claimAll, dueOf, insertAll, limits } from './limiting.ts';
import type { OpenStore } from './open.ts';

const ONE = { perTeam: 1 };
const TOOLS = ['print', 'scan'];

/** Of one team a job of each tool runs, and four of each are held. */
async function heldOfTwoTools(store: Store) {
  // Those of `scan` stand before those of `print`, wherever the tool does not count.
  for (const tool of ['scan', 'print']) await insertAll(store, 5, { tool });
  const request = { tools: TOOLS, limits: limits({ tools: { print: ONE, scan: ONE } }) };
  const running = await claimAll(store, request);
  assert.deepEqual(running.map(({ tool }) => tool).toSorted(), TOOLS);
  assert.deepEqual(await dueOf(store), {});
  return running;
}

export function lettingGo(open: OpenStore): void {
  test('a claim that finds room for one tool lets go nothing of another tool of the team', async (t) => {
    const store = await open(t);
    const print = (await heldOfTwoTools(store)).find(({ tool }) => tool === 'print');
    assert.ok(print);
    await store.apply(print.id, complete(print, '{}', []));
    assert.deepEqual(await dueOf(store), { 'tem_a print': 1, 'tem_a scan': 1 });
    const wide = limits({ tools: { print: { perTeam: 3 }, scan: ONE } });
    const { jobs } = await claim(store, { tools: ['print'], limit: 1, limits: wide });
    assert.equal(jobs.length, 1);
    assert.deepEqual(await dueOf(store), { 'tem_a print': 2, 'tem_a scan': 1 });
  });

  test('a tool that has no limit any more lets go nothing of another tool of the team', async (t) => {
    const store = await open(t);
    await heldOfTwoTools(store);
    assert.equal((await claim(store, { tools: ['print'], limit: 1 })).jobs.length, 1);
    assert.deepEqual(await dueOf(store), { 'tem_a print': 3 });
  });

  test('the end of a run of a full tool wakes whoever waits for work, though another team is next', async (t) => {
    const store = await open(t);
    const full = { limits: limits({ tools: { print: { max: 1 } } }) };
    await insertAll(store, 1, { team: 'tem_a' });
    const [first] = await claimAll(store, full);
    assert.ok(first);
    const next = await insertAll(store, 1, { team: 'tem_b' });
    assert.deepEqual((await claim(store, full)).jobs, []);
    let calls = 0;
    t.after(
      store.onDue(() => {
        calls += 1;
      }),
    );
    // A process that begins to listen is called once by that.
    if (store.engine === 'postgres') await until('it listens', () => calls > 0);
    const before = calls;
    await store.apply(first.id, complete(first, '{}', []));
    await until('it is woken', () => calls > before, { ms: 200 });
    assert.deepEqual(
      (await claimAll(store, full)).map(({ id }) => id),
      next,
    );
  });
}
