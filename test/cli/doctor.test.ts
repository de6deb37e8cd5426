/** `doctor` on real files and servers: what is wrong is found, with its fix, and ends with 1. */
import assert from 'node:assert/strict';
import { chmodSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { cli } from '../../scripts/cli-process.ts';
import { now } from '../../src/job/clock.ts';
import { openStore } from '../../src/sqlite.ts';
import { aJob } from '../support/a-job.ts';
import { tempFolder } from '../support/temp.ts';
import { aServer, aToken, JOBS } from './a-server.ts';
import { assertHeldJobsAreTold, examined } from './examine.ts';

const examine = (db: string, ...more: readonly string[]) => examined(['--db', db, ...more]);

test('a healthy database and server are fine, and nothing of the file is changed', async (t) => {
  const { db, token, server } = await aServer(t, '--jobs', JOBS);
  const { code, ok, findings, wrong } = await examine(db, '--url', server.url, '--token', token);
  assert.deepEqual([code, ok, wrong], [0, true, []]);
  const checks = new Set(findings.map(({ check }) => check));
  for (const check of [
    'runtime',
    'disk',
    'integrity',
    'schema',
    'clock',
    'workers',
    'round trip',
  ]) {
    assert.ok(checks.has(check), check);
  }
  const refused = await examine(db, '--url', server.url, '--token', 'wrong');
  assert.deepEqual([refused.code, refused.wrong.map(({ check }) => check)], [1, ['round trip']]);
});

test('files that others can read, jobs that nobody runs and a clock that was set back are found', async (t) => {
  const db = join(tempFolder(t), 'jobs.db');
  const store = await openStore(db);
  await store.insert(aJob({ createdAt: now() - 3_600_000 }), 0);
  await store.insert(aJob({ createdAt: now() + 3_600_000 }), 0);
  await store.close();
  chmodSync(db, 0o644);
  writeFileSync(`${db}.key`, 'key', { mode: 0o640 });
  const { code, wrong } = await examine(db);
  assert.equal(code, 1);
  assert.deepEqual(
    wrong.map(({ check, level }) => `${check} ${level}`),
    ['database error', 'key file error', 'clock warning', 'workers error', 'stuck jobs error'],
  );
  assert.equal(statSync(db).mode & 0o777, 0o644);
});

test('jobs that limits hold are counted, and those that nothing lets go are told apart', async (t) => {
  const db = join(tempFolder(t), 'jobs.db');
  const store = await openStore(db);
  await assertHeldJobsAreTold(store, () => examine(db));
});

test('a file that is damaged, newer, missing or none of ours is told apart', async (t) => {
  const folder = tempFolder(t);
  const missing = await examine(join(folder, 'missing.db'));
  assert.deepEqual([missing.code, missing.wrong.map(({ check }) => check)], [1, ['database']]);
  const text = join(folder, 'text.db');
  writeFileSync(text, 'not a database at all', { mode: 0o600 });
  assert.deepEqual(
    (await examine(text)).wrong.map(({ check }) => check),
    ['integrity'],
  );
  const newer = join(folder, 'newer.db');
  await aToken(newer);
  const db = new DatabaseSync(newer);
  db.exec("INSERT INTO schema_migrations (namespace, version, applied_at) VALUES ('jobs', 999, 0)");
  db.close();
  const { wrong } = await examine(newer);
  assert.deepEqual(
    wrong.map(({ check, level }) => `${check} ${level}`),
    ['schema error'],
  );
});

test('a file whose tables are older is told as such', async (t) => {
  const path = join(tempFolder(t), 'older.db');
  await aToken(path);
  const db = new DatabaseSync(path);
  db.exec(`DROP INDEX jobs_held;
    ALTER TABLE jobs DROP COLUMN limited;
    DELETE FROM schema_migrations WHERE namespace = 'jobs' AND version > 16`);
  db.close();
  const { wrong } = await examine(path);
  assert.deepEqual(
    wrong.map(({ check }) => check),
    ['schema'],
  );
});

test('for a person it is a line for each check, with what to do below', async (t) => {
  const db = join(tempFolder(t), 'none.db');
  const { code, stdout, stderr } = await cli(['doctor', '--db', db]);
  assert.equal(code, 1);
  assert.match(stdout, /^ok {7}runtime +Node 24/m);
  assert.match(stdout, /^ERROR {4}database +There is no database.*\n +→ Name it with --db/m);
  assert.match(stderr, /^error: 1 of \d+ checks found an error/);
});
