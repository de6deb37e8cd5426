/** `stdio` as a host starts it: three clients, one file shared with others, nothing left behind. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as OldTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { cli, processesOf } from '../../scripts/cli-process.ts';
import { callJob, resumeJob } from '../../src/client.ts';
import { tempFolder } from '../support/temp.ts';
import { until } from '../support/until.ts';
import { argsFor, BIN, connected, host, info, initialize } from './a-host.ts';
import { aToken, dataOf, errorOf, JOBS, started } from './a-server.ts';

for (const mode of ['auto', 'legacy'] as const) {
  test(`a job is submitted, waited for and resumed over stdio, in mode ${mode}`, async (t) => {
    const db = join(tempFolder(t), 'jobs.db');
    const client = await connected(t, argsFor(db), { mode });
    const { tools } = await client.listTools();
    const names = tools.map(({ name }) => name);
    for (const name of ['echo', 'get_job_status', 'list_jobs', 'cancel_job', 'answer_job']) {
      assert.ok(names.includes(name), `${name} is missing`);
    }
    let id = '';
    const options = { onSubmit: (jobId: string) => void (id = jobId) };
    assert.deepEqual(await callJob(client, 'echo', { text: 'a' }, options), { said: 'a' });
    await client.close();
    const other = await connected(t, argsFor(db, '--workers', '0'), { mode });
    assert.deepEqual(await resumeJob(other, id), { said: 'a' });
  });
}

test('a client on the v1 SDK gets its job done', async (t) => {
  const db = join(tempFolder(t), 'jobs.db');
  const client = new OldClient(info);
  await client.connect(new OldTransport({ command: process.execPath, args: argsFor(db) }));
  t.after(() => client.close());
  type Answer = { readonly data: { readonly job_id: string; readonly result: unknown } };
  const call = async (name: string, args: Record<string, unknown>): Promise<Answer['data']> =>
    ((await client.callTool({ name, arguments: args })).structuredContent as Answer).data;
  const { job_id } = await call('echo', { text: 'b' });
  const { result } = await call('get_job_status', { job_id, wait_seconds: 20 });
  assert.deepEqual(result, { said: 'b' });
});

test('stdout carries the protocol alone, whatever the jobs print; all of it ends with stdin', async (t) => {
  const folder = tempFolder(t);
  const jobs = join(folder, 'jobs.ts');
  const library = new URL('../../src/index.ts', import.meta.url).href;
  const zod = import.meta.resolve('zod');
  writeFileSync(
    jobs,
    `import { defineJob } from '${library}';
import { z } from '${zod}';
console.log('loaded');
export const noisy = defineJob({
  name: 'noisy',
  description: 'Prints.',
  input: z.object({}),
  output: z.object({}),
  prepare: () => console.log('prepared'),
  run: () => { console.log('run'); process.stdout.write('run on\\n'); return {}; },
});
`,
  );
  const { child, lines, send } = host(t, argsFor(join(folder, 'jobs.db'), '--jobs', jobs));
  send(initialize);
  send({ method: 'notifications/initialized' });
  send({ id: 2, method: 'tools/call', params: { name: 'noisy', arguments: {} } });
  const answer = await until('the job is submitted', () =>
    lines.find((line) => /"id":2/.test(line)),
  );
  const [, job_id = ''] = /"job_id":"(mjb_\w+)"/.exec(answer) ?? [];
  const status = { name: 'get_job_status', arguments: { job_id, wait_seconds: 20 } };
  send({ id: 3, method: 'tools/call', params: status });
  await until('the job is completed', () =>
    lines.find((line) => /"id":3\b/.test(line) && line.includes('completed')),
  );
  for (const line of lines) assert.equal(JSON.parse(line).jsonrpc, '2.0', line);
  const pid = child.pid ?? 0;
  assert.equal(processesOf(pid).length, 2);
  const ended = once(child, 'exit');
  child.stdin?.end();
  assert.deepEqual(await ended, [0, null]);
  await until('the worker has ended', () => processesOf(pid).length === 0);
});

test('the workers end with a server that is killed', async (t) => {
  const { child, lines, send } = host(t, argsFor(join(tempFolder(t), 'jobs.db')));
  send(initialize);
  await until('it serves', () => lines.length > 0);
  const pid = child.pid ?? 0;
  await until('the worker runs', () => processesOf(pid).length === 2);
  child.kill('SIGKILL');
  await until('the worker has ended', () => processesOf(pid).length === 0);
});

test('whoever listens to tasks is told of them until they end, and of nobody else’s', async (t) => {
  const { lines, send } = host(t, argsFor(join(tempFolder(t), 'jobs.db')));
  const meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': info,
    'io.modelcontextprotocol/clientCapabilities': {
      extensions: { 'io.modelcontextprotocol/tasks': {} },
    },
  };
  const ask = (id: number, method: string, params: object): void =>
    send({ id, method, params: { ...params, _meta: meta } });
  ask(1, 'tools/call', { name: 'nap', arguments: { ms: 500 } });
  const made = await until('the task is there', () =>
    lines.find((line) => line.includes('taskId')),
  );
  const { taskId } = (JSON.parse(made) as { result: { taskId: string } }).result;
  ask(2, 'subscriptions/listen', { notifications: { taskIds: [taskId, 'mjb_unknown'] } });
  await until('it is over', () => lines.some((line) => /"id":2\b/.test(line)));
  type Said = { method?: string; params?: { status?: string; notifications?: object } };
  const said = lines.slice(1).map((line) => JSON.parse(line) as Said);
  assert.deepEqual(said[0]?.params?.notifications, { taskIds: [taskId] });
  const statuses = said.flatMap(({ params }) => params?.status ?? []);
  assert.deepEqual([statuses[0], statuses.at(-1)], ['working', 'completed']);
  ask(3, 'subscriptions/listen', { notifications: { taskIds: 'all' } });
  await until('it is refused', () => lines.some((line) => line.includes('-32602')));
});

test('whom to serve must be clear, and a token that is revoked is refused at the next call', async (t) => {
  const db = join(tempFolder(t), 'jobs.db');
  const token = await aToken(db);
  const client = await connected(t, argsFor(db, '--workers', '0'), {
    env: { MCP_ASYNC_JOBS_TOKEN: token },
  });
  const list = async (): Promise<unknown> =>
    (await client.callTool({ name: 'list_jobs', arguments: {} })).structuredContent;
  assert.deepEqual(await list(), {
    data: [],
    meta: { limit: 25, has_more: false, next_cursor: null },
  });
  const [one] = dataOf(await cli(['token', 'list', '--db', db, '--json']))['data'] as {
    id: string;
  }[];
  assert.equal((await cli(['token', 'revoke', one?.id ?? '', '--db', db])).code, 0);
  assert.match(JSON.stringify(await list()), /AUTHENTICATION_REQUIRED/);

  await aToken(db, '--owner', 'bob');
  const unclear = await cli(['stdio', '--db', db, '--jobs', JOBS, '--json']);
  assert.deepEqual([unclear.code, unclear.stdout, errorOf(unclear)['code']], [3, '', 'NO_OWNER']);
  const env = { MCP_ASYNC_JOBS_TOKEN: token };
  const revoked = await cli(['stdio', '--db', db, '--jobs', JOBS, '--json'], { env });
  assert.deepEqual([revoked.code, errorOf(revoked)['code']], [3, 'AUTHENTICATION_REQUIRED']);
  assert.ok(!revoked.stderr.includes(token));
});

test('the access-code application is served too', async (t) => {
  const db = join(tempFolder(t), 'jobs.db');
  const client = await connected(t, [BIN, 'stdio', '--db', db, '--workers', '0']);
  const made = await client.callTool({ name: 'create_project', arguments: { name: 'Club' } });
  assert.match(JSON.stringify(made.structuredContent), /"prj_/);
  // A server that starts beside it takes the same file.
  await started(t, ['start', '--db', db, '--port', '0', '--json']);
});
