/** A wall clock that is wrong for a while costs nobody what was promised to be kept. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { openStore } from '../../src/sqlite.ts';
import { openWriter } from '../../src/store/sqlite/connection.ts';
import { Operations } from '../../src/store/sqlite/operations.ts';
import { Sweep } from '../../src/store/sqlite/sweep.ts';
import { aJobThatIs } from '../support/a-job.ts';
import { startScript } from '../support/child.ts';
import { tempFolder } from '../support/temp.ts';

const DAY_MS = 86_400_000;

/** From now on both clocks of this thread stand where they are put, in milliseconds from now. */
function clocks(t: TestContext): (wall: number, mono: number) => void {
  const [wall, mono] = [Date.now(), process.hrtime.bigint()];
  const at = { wall: 0, mono: 0 };
  t.mock.method(Date, 'now', () => wall + at.wall);
  t.mock.method(process.hrtime, 'bigint', () => mono + BigInt(at.mono) * 1_000_000n);
  return (toWall, toMono) => Object.assign(at, { wall: toWall, mono: toMono });
}

test('a start under a clock that was put ahead meanwhile purges only after a day', async (t) => {
  const path = join(tempFolder(t), 'jobs.db');
  const store = await openStore(path);
  await aJobThatIs(store, 'completed');
  await store.close();
  const set = clocks(t);
  const pass = (days: number): number => {
    set((365 + days) * DAY_MS, days * DAY_MS);
    return sweep.pass({ retentionMs: 30 * DAY_MS, toolMissingMs: DAY_MS }).purged;
  };
  set(365 * DAY_MS, 0);
  const db = openWriter(path, 0);
  t.after(() => db.close());
  const sweep = new Sweep(db, new Operations(db, 1_000));
  assert.deepEqual([pass(0), pass(0.5), pass(1.5)], [0, 0, 1]);
});

test('a process that starts under a clock that is ahead forgets by the time of the newest end', async (t) => {
  const path = join(tempFolder(t), 'jobs.db');
  const store = await openStore(path);
  const { completedAt } = await aJobThatIs(store, 'completed');
  await store.close();
  const ahead = `const wall = Date.now; Date.now = () => wall() + ${31 * DAY_MS};`;
  const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(ahead)}` };
  const teller = startScript(t, new URL('./time-teller.ts', import.meta.url), { path }, { env });
  const { wall, forgets } = await teller.said('time');
  assert.ok(Number(wall) - Number(completedAt) > 30 * DAY_MS, String(wall));
  assert.ok(Math.abs(Number(forgets) - Number(completedAt)) < 60_000, String(forgets));
});
