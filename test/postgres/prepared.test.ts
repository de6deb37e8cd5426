/** What is sent along with a commit, and stays prepared, survives what goes wrong with it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aJob } from '../support/a-job.ts';
import { postgresStores } from '../support/postgres.ts';

test('a submission that fails says why, and its statements go on working', async (t) => {
  const { stores } = await postgresStores(t, 2);
  const [one, other] = stores;
  assert.ok(one && other);
  const job = await one.insert(aJob(), 0);
  for (let i = 0; i < 3; i += 1) {
    await assert.rejects(other.insert(aJob({ id: job.id }), 0), { code: 'CONFLICT' });
  }
  const { id } = await other.insert(aJob(), 0);
  assert.match(id, /^mjb_/);
});
