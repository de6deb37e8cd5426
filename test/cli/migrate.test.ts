import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { cli } from '../../scripts/cli-process.ts';
import { masked } from '../../src/cli/log.ts';
import { tempFolder } from '../support/temp.ts';
import { dataOf, errorOf } from './a-server.ts';

type Data = Record<string, unknown>;

test('a file is planned, migrated and then up to date; only apply makes it', async (t) => {
  const db = join(tempFolder(t), 'jobs.db');
  const run = async (verb: string) =>
    dataOf(await cli(['migrate', verb, '--db', db, '--json']))['data'] as Data[];
  const planned = await run('plan');
  assert.match(String(planned[0]?.['sql']), /CREATE TABLE jobs/);
  const behind = await run('status');
  assert.deepEqual(
    behind.map(({ namespace, found }) => [namespace, found]),
    [
      ['jobs', 0],
      ['team', 0],
      ['access-codes', 0],
    ],
  );
  const refused = await cli(['start', '--db', db, '--no-migrate', '--json']);
  assert.equal(errorOf(refused)['code'], 'NOT_MIGRATED');
  assert.ok(!existsSync(db));
  for (const rows of [await run('apply'), await run('status')]) {
    assert.ok(rows.every(({ found, wanted }) => found === wanted));
  }
  assert.deepEqual(await run('plan'), []);
});

test('tables that a newer program only added to are no reason to refuse, others are', async (t) => {
  const path = join(tempFolder(t), 'jobs.db');
  await cli(['migrate', 'apply', '--db', path]);
  const status = async () => (await cli(['migrate', 'status', '--db', path])).stdout;
  const add = (version: number, additive: number) => {
    const db = new DatabaseSync(path);
    db.prepare('INSERT INTO schema_migrations VALUES (?, ?, 0, ?)').run('team', version, additive);
    db.close();
  };
  add(100, 1);
  assert.match(await status(), /team .* newer, and this program may run/);
  const doctor = async () => (await cli(['doctor', '--db', path])).stdout;
  assert.doesNotMatch(await doctor(), /Install a version/);
  add(101, 0);
  assert.match(await status(), /team .* newer than this program/);
  assert.match(await doctor(), /Install a version/);
  const refused = await cli(['start', '--db', path, '--json']);
  assert.match(
    String(errorOf(refused)['message']),
    /"team" are at version 101, this program knows/,
  );
});

test('a module that is not there is refused before anything is made', async (t) => {
  const db = join(tempFolder(t), 'jobs.db');
  for (const command of [['start'], ['worker'], ['stdio'], ['migrate', 'apply']]) {
    const refused = await cli([...command, '--db', db, '--jobs', 'nowhere.js', '--json']);
    assert.deepEqual([refused.code, errorOf(refused)['code']], [1, 'USAGE'], command[0]);
    assert.match(String(errorOf(refused)['message']), /nowhere\.js.*There is no such file/);
  }
  assert.ok(!existsSync(db));
});

test('an address that is logged loses its password', () => {
  const line = '{"a":"postgres://u:p%2Fw@h/d?password=pw&x=1","b":"postgresql://u@h/d"}';
  assert.equal(
    masked(line),
    '{"a":"postgres://u:[secret]@h/d?password=[secret]&x=1","b":"postgresql://u@h/d"}',
  );
});
