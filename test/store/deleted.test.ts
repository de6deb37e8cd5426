/** What was deleted does not stay behind in the file. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { complete } from '../../src/job/transitions.ts';
import { openStore } from '../../src/sqlite.ts';
import { aJobThatIs } from '../support/a-job.ts';
import { tempFolder } from '../support/temp.ts';

test('no byte of a purged input or result can be found in the file', async (t) => {
  const folder = tempFolder(t);
  const path = join(folder, 'jobs.db');
  const marker = 'findmeinthefile';
  for (const size of [1, 20_000]) {
    const store = await openStore(path);
    const text = JSON.stringify(marker.repeat(size));
    const job = await aJobThatIs(store, 'running', { input: text });
    await store.apply(job.id, complete(job, text, []));
    await pause(5);
    assert.equal((await store.sweep({ retentionMs: 1, toolMissingMs: 1e9 })).purged, 1);
    // The last who closes brings the log into the file.
    await store.close();
    for (const name of readdirSync(folder)) {
      assert.ok(!readFileSync(join(folder, name), 'latin1').includes(marker), name);
    }
  }
});
