/** The callers' commands as processes, against a real server. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { cli } from '../../scripts/cli-process.ts';
import { newId } from '../../src/job/ids.ts';
import { tempFolder } from '../support/temp.ts';
import { aServer, aToken, dataOf, errorOf, JOBS, type ServerOfATest } from './a-server.ts';

type Data = Record<string, unknown>;
const dataIn = (body: Data): Data => body['data'] as Data;

let jobs: ServerOfATest;
let codes: ServerOfATest;
const ends: (() => unknown)[] = [];
before(async () => {
  const life = { after: (end: () => Promise<void> | void) => void ends.push(end) };
  [jobs, codes] = await Promise.all([aServer(life, '--jobs', JOBS), aServer(life)]);
});
after(async () => {
  for (const end of ends.toReversed()) await end();
});

async function aPlan({ call }: ServerOfATest): Promise<string> {
  const project = dataIn(dataOf(await call('call', 'create_project', 'name=Club', '--json')));
  const terms = ['name=Monthly membership', 'price=29.00', 'currency=USD', 'billing_cycle=months'];
  const made = await call(
    'call',
    'create_plan',
    `project_id=${String(project['id'])}`,
    ...terms,
    '--json',
  );
  return String(dataIn(dataOf(made))['id']);
}

test('codes are made, waited for and exported', async (t) => {
  const { call, server } = codes;
  const plan = await aPlan(codes);
  const args = [`plan_id=${plan}`, 'quantity=30', 'export_type=file', 'expiry_preset=1_week'];
  const submitted = await call('call', 'bulk_generate_access_codes', ...args, '--wait', '--json');
  assert.equal(submitted.code, 0, submitted.stderr);
  const job = dataIn(dataOf(submitted));
  assert.equal(job['status'], 'completed');
  const batch = (job['result'] as { readonly batch_id: string }).batch_id;

  const { code, stdout } = await call('codes', 'export', batch);
  assert.equal(code, 0);
  assert.equal(stdout.trimEnd().split('\r\n').length, 31);

  const out = join(tempFolder(t), 'codes.csv');
  const written = await call('codes', 'export', batch, '--out', out, '--json');
  assert.deepEqual(dataOf(written), { batch_id: batch, file: out, bytes: statSync(out).size });
  assert.equal(readFileSync(out, 'utf8'), stdout);
  assert.equal(statSync(out).mode & 0o777, 0o600);

  const again = await call('codes', 'export', batch, '--out', out, '--json');
  assert.deepEqual([again.code, errorOf(again)['code']], [1, 'FILE']);
  assert.equal(readFileSync(out, 'utf8'), stdout);

  const other = join(tempFolder(t), 'other.csv');
  const unknown = await call('codes', 'export', newId('btc'), '--out', other, '--json');
  assert.deepEqual([unknown.code, errorOf(unknown)['code']], [5, 'RESOURCE_NOT_FOUND']);
  assert.throws(() => statSync(other), { code: 'ENOENT' });

  const words = [process.execPath, '--conditions=mcp-async-jobs-source', 'bin/mcp-async-jobs.js'];
  const limited = ['-c', 'ulimit -f 1 && exec "$@"', 'sh', ...words, 'codes', 'export', batch];
  const cut = spawnSync('sh', [...limited, '--out', other, '--url', server.url, '--json'], {
    encoding: 'utf8',
    cwd: new URL('../../', import.meta.url),
    env: { ...process.env, MCP_ASYNC_JOBS_TOKEN: codes.token },
  });
  assert.deepEqual(
    [cut.status, /"code":"FILE".*too large/.test(cut.stderr)],
    [1, true],
    cut.stderr,
  );
  assert.throws(() => statSync(other), { code: 'ENOENT' });

  const nobody = await cli(['codes', 'export', batch, '--url', server.url, '--json']);
  assert.deepEqual([nobody.code, nobody.stdout], [3, '']);
});

test('arguments are typed by the schema of the tool', async () => {
  const { call } = jobs;
  const said = await call('call', 'echo', 'text=12', 'times=2', 'loud=true', '--wait', '--json');
  assert.equal(said.code, 0, said.stderr);
  assert.deepEqual(dataIn(dataOf(said))['result'], { said: '12 12' });

  const args = ['--args', '{"text":"a=b","times":3}', 'times=1', '--wait', '--json'];
  const merged = await call('call', 'echo', ...args);
  assert.deepEqual(dataIn(dataOf(merged))['result'], { said: 'a=b' });

  const wrong = await call('call', 'echo', 'text=a', 'times=many', '--json');
  assert.deepEqual([wrong.code, errorOf(wrong)['code']], [5, 'VALIDATION_FAILED']);
  assert.deepEqual(Object.keys(errorOf(wrong)['fields'] as object), ['times']);
});

test('a job that is not waited for is followed by its id', async () => {
  const { call } = jobs;
  const submitted = await call('call', 'echo', 'text=hello', '--json');
  const job = dataIn(dataOf(submitted));
  assert.equal(job['status'], 'queued');
  const id = String(job['job_id']);
  assert.match(submitted.stderr, new RegExp(`watch ${id}`));

  const watched = await call('watch', id);
  assert.equal(watched.code, 0);
  assert.match(
    watched.stdout.trimEnd().split('\n').at(-1) ?? '',
    /completed result={"said":"hello"}/,
  );

  const lines = await call('watch', id, '--jsonl');
  assert.deepEqual(dataIn(dataOf(lines))['status'], 'completed');
  const shown = await call('jobs', 'get', id, '--json');
  assert.deepEqual(dataIn(dataOf(shown))['result'], { said: 'hello' });
  const newest = ['--status', 'completed', '--limit', '1', '--json'];
  const listed = dataOf(await call('jobs', 'list', ...newest));
  assert.deepEqual(
    (listed['data'] as Data[]).map((one) => one['job_id']),
    [id],
  );
  const table = await call('jobs', 'list', '--tool', 'echo');
  assert.match(table.stdout, new RegExp(`^job_id .*\n${id} +completed +echo`));
});

test('a failed job ends with 2, and with its envelope on stderr', async () => {
  const { call } = jobs;
  const failed = await call('call', 'refuse', '--wait', '--json');
  assert.equal(failed.code, 2);
  assert.equal(dataIn(dataOf(failed))['status'], 'failed');
  const error = errorOf(failed);
  assert.deepEqual([error['code'], error['message']], ['OUT_OF_PAPER', 'There is no paper left.']);

  const id = String(dataIn(dataOf(failed))['job_id']);
  const watched = await call('watch', id);
  assert.equal(watched.code, 2);
  assert.match(watched.stderr, /^error: There is no paper left\.$/m);
  assert.equal((await call('jobs', 'get', id)).code, 0);
});

test('a wait that is over ends with 7 and names the command that goes on; cancelling ends it', async () => {
  const { call } = jobs;
  const late = await call('call', 'linger', '--wait', '--timeout', '1', '--json');
  assert.equal(late.code, 7);
  const { job_id: id, next_command: next } = errorOf(late)['context'] as Data;
  assert.equal(next, `mcp-async-jobs watch ${String(id)}`);

  const done = await call('jobs', 'cancel', String(id));
  assert.deepEqual([done.code, done.stdout], [0, `${String(id)} cancelled\n`]);
  const again = await call('jobs', 'cancel', String(id));
  assert.deepEqual([again.code, again.stdout], [0, `${String(id)} had ended before: failed\n`]);
  const cancelled = await call('watch', String(id), '--json');
  assert.deepEqual([cancelled.code, errorOf(cancelled)['code']], [6, 'JOB_CANCELLED']);
});

test('a caller without a token, or without the ability, ends with 3', async () => {
  const { server, db } = codes;
  const url = ['--url', server.url, '--json'];
  const broken = await cli(['jobs', 'list', ...url, '--token', 'se\ncret']);
  assert.equal(broken.code, 1);
  assert.doesNotMatch(broken.stderr, /cret/);
  const nobody = await cli(['jobs', 'list', ...url]);
  assert.deepEqual([nobody.code, errorOf(nobody)['code']], [3, 'AUTHENTICATION_REQUIRED']);
  const unable = await aToken(db, '--ability', 'project:view-any');
  const gated = await cli(['jobs', 'list', ...url, '--token', unable]);
  assert.deepEqual([gated.code, errorOf(gated)['code']], [3, 'TOKEN_MISSING_ABILITY']);
  const reader = await aToken(db, '--ability', 'mcp:full');
  const one = await cli(['call', 'create_project', 'name=x', ...url, '--token', reader]);
  assert.deepEqual([one.code, errorOf(one)['code']], [3, 'TOKEN_MISSING_ABILITY']);
});

test('a server that is not there ends with 4', async () => {
  const nowhere = await cli(['jobs', 'list', '--url', 'http://127.0.0.1:9/mcp', '--json']);
  assert.deepEqual([nowhere.code, errorOf(nowhere)['code']], [4, 'SERVER_UNREACHABLE']);
  assert.equal(nowhere.stdout, '');
});

test('an unknown tool or job ends with 5', async () => {
  const { call } = jobs;
  const tool = await call('call', 'ecko', 'text=a');
  assert.equal(tool.code, 5);
  assert.match(tool.stderr, /no tool "ecko"[^]*Did you mean echo\?/);
  const job = await call('watch', newId('mjb'), '--json');
  assert.deepEqual([job.code, errorOf(job)['code']], [5, 'RESOURCE_NOT_FOUND']);
});
