/** A store that is opened under a clock that stands far ahead forgets nothing for a day. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { openStore } from '../../src/sqlite.ts';
import { openWriter } from '../../src/store/sqlite/connection.ts';
import { Operations } from '../../src/store/sqlite/operations.ts';
import { Sweep } from '../../src/store/sqlite/sweep.ts';
import { aJobThatIs } from '../support/a-job.ts';
import { tempFolder } from '../support/temp.ts';

const DAY_MS = 86_400_000;

test('a start under a clock that was put ahead meanwhile purges only after a day', async (t) => {
  const path = join(tempFolder(t), 'jobs.db');
  const store = await openStore(path);
  await aJobThatIs(store, 'completed');
  await store.close();
  const [wall, mono] = [Date.now(), process.hrtime.bigint()];
  const pass = (days: number): number => {
    t.mock.method(Date, 'now', () => wall + 365 * DAY_MS + days * DAY_MS);
    t.mock.method(process.hrtime, 'bigint', () => mono + BigInt(days * DAY_MS) * 1_000_000n);
    return sweep.pass({ retentionMs: 30 * DAY_MS, toolMissingMs: DAY_MS }).purged;
  };
  t.mock.method(Date, 'now', () => wall + 365 * DAY_MS);
  const db = openWriter(path, 0);
  t.after(() => db.close());
  const sweep = new Sweep(db, new Operations(db, 1_000));
  assert.deepEqual([pass(0), pass(0.5), pass(1.5)], [0, 0, 1]);
});
