/** A wall clock that is wrong for a while costs nobody what was promised to be kept. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { ask } from '../../src/job/transitions.ts';
import { openStore } from '../../src/sqlite.ts';
import { openWriter } from '../../src/store/sqlite/connection.ts';
import { migrate } from '../../src/store/sqlite/migrate.ts';
import { JOBS_MIGRATIONS } from '../../src/store/sqlite/migrations.ts';
import { Operations } from '../../src/store/sqlite/operations.ts';
import { Sweep } from '../../src/store/sqlite/sweep.ts';
import { aJob, aJobThatIs } from '../support/a-job.ts';
import { startScript } from '../support/child.ts';
import { tempFolder } from '../support/temp.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

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

/** A writer of this thread, whose clocks can be put. */
function aWriter(t: TestContext, path = join(tempFolder(t), 'jobs.db')) {
  const db = openWriter(path, 0);
  t.after(() => db.close());
  migrate(db, [JOBS_MIGRATIONS]);
  const operations = new Operations(db, 1_000);
  const sweep = new Sweep(db, operations);
  return {
    db,
    operations,
    /** A job that asks, and waits for the answer for so long. */
    waiting: (waitMs: number): string => {
      const { id, tool } = aJob();
      operations.insert(aJob({ id }), 0);
      const asked = { worker: 'wrk_1', tools: [tool], limit: 1, leaseMs: 20_000, idle: true };
      const [job] = operations.claim(asked).jobs;
      assert.equal(job?.id, id);
      operations.apply(id, ask(job, { q: 1 }, waitMs), null);
      return id;
    },
    /** Submit a job under a key that is kept for a day. */
    submits: (key: string): 'new' | 'known' => {
      operations.reset();
      const day = { key, hash: 'h', answer: '{}', ttlMs: DAY_MS };
      return operations.insertOnce(aJob(), 0, day) === null ? 'new' : 'known';
    },
    moved: (): readonly string[] => {
      operations.reset();
      return sweep.pass({ retentionMs: 30 * DAY_MS, toolMissingMs: DAY_MS }).moved;
    },
  };
}

test('a question waits as long as was said, whatever the wall clock says', (t) => {
  const set = clocks(t);
  const { waiting, moved } = aWriter(t);
  const long = waiting(DAY_MS);
  assert.deepEqual(moved(), []);
  set(DAY_MS + HOUR_MS, 1_000);
  assert.deepEqual(moved(), [], 'the clock is ahead by a day');
  const short = waiting(600_000);
  set(DAY_MS + HOUR_MS + 599_000, 600_000);
  assert.deepEqual(moved(), []);
  set(DAY_MS + HOUR_MS + 600_000, 601_000);
  assert.deepEqual(moved(), [short]);
  set(DAY_MS - 1, DAY_MS - 1);
  assert.deepEqual(moved(), [], 'and right again');
  set(DAY_MS, DAY_MS);
  assert.deepEqual(moved(), [long]);
});

test('a question of before the machine was started again ends by a clock that is believed', (t) => {
  const set = clocks(t);
  const { db, waiting, moved } = aWriter(t);
  const id = waiting(DAY_MS);
  assert.deepEqual(moved(), []);
  db.exec(`UPDATE jobs SET due_boot = 'another'`);
  set(DAY_MS + HOUR_MS, 1_000);
  assert.deepEqual(moved(), []);
  set(2 * DAY_MS + HOUR_MS, DAY_MS + 1_000);
  assert.deepEqual(moved(), [id], 'still ahead after a day');
});

test('a key is kept for its hours on a machine that has slept for days', (t) => {
  const set = clocks(t);
  const { submits } = aWriter(t);
  assert.equal(submits('before'), 'new');
  set(3 * DAY_MS, 0);
  assert.equal(submits('awake again'), 'new');
  const [wall, mono] = [4 * DAY_MS - 60_000, DAY_MS - 60_000];
  set(wall, mono);
  assert.equal(submits('k'), 'new');
  for (const later of [30_000, 90_000, DAY_MS - 1_000]) {
    set(wall + later, mono + later);
    assert.equal(submits('k'), 'known', `after ${later} ms`);
  }
  set(wall + DAY_MS + 1_000, mono + DAY_MS + 1_000);
  assert.equal(submits('k'), 'new');
});

test('a key is kept for its hours when the wall clock goes back for a while', (t) => {
  const set = clocks(t);
  const { submits } = aWriter(t);
  assert.equal(submits('early'), 'new');
  set(-3 * DAY_MS, 1_000);
  assert.equal(submits('late'), 'new');
  for (const right of [2_000, DAY_MS - 1_000]) {
    set(right, right);
    assert.equal(submits('early'), 'known');
    assert.equal(submits('late'), 'known');
  }
  set(DAY_MS + 3_000, DAY_MS + 3_000);
  assert.equal(submits('early'), 'new');
  assert.equal(submits('late'), 'new');
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
