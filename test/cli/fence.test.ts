import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { cli } from '../../scripts/cli-process.ts';
import { complete } from '../../src/job/transitions.ts';
import { openStore } from '../../src/sqlite.ts';
import { aJobThatIs, who } from '../support/a-job.ts';
import { tempFolder } from '../support/temp.ts';
import { dataOf, errorOf } from './a-server.ts';

test('what a restored file remembers as running is queued again, and its worker is refused', async (t) => {
  const db = join(tempFolder(t), 'jobs.db');
  const store = await openStore(db);
  t.after(() => store.close());
  const job = await aJobThatIs(store, 'running');
  const fence = async () => dataOf(await cli(['fence', '--db', db, '--json']))['data'];
  assert.deepEqual(await fence(), { jobs: [job.id] });
  assert.deepEqual(await fence(), { jobs: [] });
  assert.equal((await store.get(job.id, who()))?.status, 'queued');
  assert.equal((await store.apply(job.id, complete(job, '{}', []))).outcome, 'stale');
});

test('a file that is not there is not made to be fenced', async (t) => {
  const db = join(tempFolder(t), 'none.db');
  assert.equal(errorOf(await cli(['fence', '--db', db, '--json']))['code'], 'NO_DATABASE');
});
