import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { cli } from '../../scripts/cli-process.ts';
import { tempFolder } from '../support/temp.ts';
import { aServer, aToken, dataOf, errorOf, JOBS } from './a-server.ts';

type Data = Record<string, unknown>;

test('a token is made with what is missing, shown once, listed without its secret', async (t) => {
  const db = join(tempFolder(t), 'jobs.db');
  const args = ['token', 'create', '--db', db, '--team', 'Club', '--owner', 'ada', '--json'];
  const first = dataOf(await cli([...args, '--ability', 'mcp:full,project:view-any']));
  const second = dataOf(await cli([...args, '--ability', '*', '--test']));
  assert.match(String(first['token']), /^mpt_live_/);
  assert.match(String(second['token']), /^mpt_test_/);
  assert.match(String(first['team_id']), /^tem_/);
  assert.match(String(first['owner_id']), /^usr_/);
  assert.deepEqual([second['team_id'], second['owner_id']], [first['team_id'], first['owner_id']]);
  assert.equal(statSync(db).mode & 0o077, 0);

  const list = await cli(['token', 'list', '--db', db, '--json']);
  const rows = dataOf(list)['data'] as Data[];
  assert.deepEqual(
    rows.map((row) => row['id']),
    [second['id'], first['id']],
  );
  assert.deepEqual(rows[1]?.['abilities'], ['mcp:full', 'project:view-any']);
  for (const made of [first, second]) {
    const secret = String(made['token']).split('_').at(-1) ?? '';
    assert.ok(!list.stdout.includes(secret) && !list.stderr.includes(secret));
  }
});

test('without --json the token stands alone on stdout', async (t) => {
  const db = join(tempFolder(t), 'jobs.db');
  const args = ['--db', db, '--team', 'Club', '--owner', 'ada', '--ability', '*'];
  const { stdout, stderr } = await cli(['token', 'create', ...args]);
  assert.match(stdout, /^mpt_live_[0-9A-Za-z]+_[0-9A-Za-z]+\n$/);
  assert.match(stderr, /not shown again/);
});

test('output that cannot be written is an error like others, without a stack', async (t) => {
  const db = join(tempFolder(t), 'jobs.db');
  await aToken(db);
  const words = [process.execPath, '--conditions=mcp-async-jobs-source', 'bin/mcp-async-jobs.js'];
  const args = [...words, 'token', 'list', '--db', db, '--json'];
  const options = { encoding: 'utf8', cwd: new URL('../../', import.meta.url) } as const;
  const full = spawnSync('sh', ['-c', 'exec "$@" > /dev/full', 'sh', ...args], options);
  assert.equal(full.status, 1);
  const { error } = JSON.parse(full.stderr) as { readonly error: Data };
  assert.deepEqual([error['code'], /ENOSPC/.test(String(error['message']))], ['FILE', true]);
});

test('a revoked token is refused from the next call on', async (t) => {
  const { db, call } = await aServer(t, '--jobs', JOBS);
  assert.equal((await call('jobs', 'list')).code, 0);
  const [row] = dataOf(await cli(['token', 'list', '--db', db, '--json']))['data'] as Data[];
  const id = String(row?.['id']);
  const revoked = await cli(['token', 'revoke', id, '--db', db, '--json']);
  assert.deepEqual(dataOf(revoked), { id, revoked: true });
  assert.equal((await call('jobs', 'list')).code, 3);
  const again = await cli(['token', 'revoke', id, '--db', db, '--json']);
  assert.deepEqual([again.code, errorOf(again)['code']], [1, 'NO_SUCH_TOKEN']);
});

test('a token that cannot be made changes nothing', async (t) => {
  const db = join(tempFolder(t), 'jobs.db');
  await aToken(db);
  const args = ['token', 'create', '--db', db, '--team', 'New', '--owner', 'bob', '--json'];
  const wrong = await cli([...args, '--ability', 'everything']);
  assert.notEqual(wrong.code, 0);
  assert.match(String(errorOf(wrong)['message']), /no ability everything/);
  const malformed = await cli([...args, '--ability', 'everything', '--any-ability']);
  assert.match(String(errorOf(malformed)['message']), /"everything" is not of the form/);
  const missing = await cli(args);
  assert.deepEqual([missing.code, errorOf(missing)['code']], [1, 'USAGE']);
  assert.equal(
    (dataOf(await cli(['token', 'list', '--db', db, '--json']))['data'] as Data[]).length,
    1,
  );
});

test('an ability that there is not is refused with those that there are, unless it is said to be meant', async (t) => {
  const db = join(tempFolder(t), 'jobs.db');
  const args = ['token', 'create', '--db', db, '--team', 'New', '--owner', 'bob', '--json'];
  const slip = await cli([...args, '--ability', 'mcp:full,project-acces-code:create']);
  const { code, message, remediation } = errorOf(slip);
  assert.deepEqual([slip.code, code], [1, 'VALIDATION_FAILED']);
  assert.match(String(message), /no ability project-acces-code:create/);
  assert.match(String(remediation), /mcp:full, .*project-access-code:create/);
  assert.equal(existsSync(db), false, 'nothing is made');
  const own = ['--ability', 'scope:project:prj_1,report:write', '--any-ability'];
  assert.equal((await cli([...args, ...own])).code, 0);
  assert.equal((await cli([...args, '--ability', 'job:view-any,scope:project:prj_1'])).code, 0);
});

test('looking into a database that is not there makes none', async (t) => {
  const db = join(tempFolder(t), 'none.db');
  const ended = await cli(['token', 'list', '--db', db, '--json']);
  assert.deepEqual([ended.code, errorOf(ended)['code']], [1, 'NO_DATABASE']);
  assert.ok(!existsSync(db));
});
