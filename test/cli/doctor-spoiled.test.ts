import assert from 'node:assert/strict';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkDatabase } from '../../src/cli/doctor/database.ts';
import { openStore } from '../../src/sqlite.ts';
import { tempFolder } from '../support/temp.ts';

test('one letter in the description of an index is found, though every row is as it was', async (t) => {
  const db = join(tempFolder(t), 'jobs.db');
  await (await openStore(db)).close();
  const integrity = () =>
    checkDatabase({ db, keyFile: `${db}.key`, retentionMs: 1e10 }).find(
      ({ check }) => check === 'integrity',
    );
  assert.equal(integrity()?.level, 'ok');
  const spoiled = readFileSync(db, 'latin1').replace(
    `WHERE status = 'queued' AND due_at IS NULL`,
    `WHERE status = 'quauad' AND due_at IS NULL`,
  );
  writeFileSync(db, spoiled, 'latin1');
  chmodSync(db, 0o600);
  assert.equal(integrity()?.level, 'error');
  assert.match(integrity()?.message ?? '', /jobs_due is not as it was made/);
});
