/** Each example does what its text says. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as OldTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { callJob } from '../../src/client.ts';
import { tempFolder } from '../support/temp.ts';
import { connected, nextLine, NODE, pathOf, restOf, run, stop } from './running.ts';

const TIMEOUT = { timeout: 45_000 };

test(
  'express: job tools stand beside those of the server, in the application that was there',
  TIMEOUT,
  async (t) => {
    const example = run(t, 'express/server.ts');
    const url = await nextLine(example);
    assert.match(await (await fetch(new URL('/', url))).text(), /application that was here/);
    const client = await connected(t, url, { 'x-user': 'ada' });
    const { tools } = await client.listTools();
    const names = tools.map(({ name }) => name);
    for (const name of ['hello', 'write_report', 'get_job_status'])
      assert.ok(names.includes(name), name);
    assert.deepEqual(await callJob(client, 'write_report', { month: '2026-11' }), { pages: 12 });
    const stranger = await connected(t, url);
    await assert.rejects(callJob(stranger, 'write_report', { month: '2026-11' }), {
      code: 'AUTHENTICATION_REQUIRED',
    });
    await stop(example);
  },
);

test('effects: both rows and the completion are one transaction', TIMEOUT, async (t) => {
  const example = run(t, 'effects/server.ts');
  const client = await connected(t, await nextLine(example));
  const accounts = async () => callJob<object[]>(client, 'list_accounts');
  const transfer = async (cents: number) =>
    callJob(client, 'transfer', { from: 'ada', to: 'bob', cents });
  assert.deepEqual(await transfer(2_500), { cents: 2_500 });
  const after = [
    { name: 'ada', cents: 7_500 },
    { name: 'bob', cents: 2_500 },
  ];
  assert.deepEqual(await accounts(), after);
  await assert.rejects(transfer(9_000), { code: 'EFFECT_REFUSED' });
  assert.deepEqual(await accounts(), after);
  await stop(example);
});

test('question: the client answers, and is told of the progress', TIMEOUT, async (t) => {
  const server = run(t, 'question/server.ts');
  const url = await nextLine(server);
  const said = await restOf(run(t, 'question/client.ts', [url]));
  assert.equal(said.at(-1), '3 cakes in 2 turns');
  assert.ok(
    said.some((line) => /^\d+ % cake \d$/.test(line)),
    said.join('\n'),
  );
  await stop(server);
});

test(
  'v1-sdk: a server on the SDK v1 serves the same tools, to a client on the SDK v1',
  TIMEOUT,
  async (t) => {
    const [command, condition] = NODE;
    const args = [condition, pathOf('v1-sdk/server.ts')];
    const client = new OldClient({ name: 'test', version: '1.0.0' });
    await client.connect(new OldTransport({ command, args, cwd: tempFolder(t) }));
    t.after(() => client.close());
    const { tools } = await client.listTools();
    assert.deepEqual(
      tools.map(({ name }) => name),
      ['hello', 'count_words', 'get_job_status', 'list_jobs', 'cancel_job', 'answer_job'],
    );
    const counts = tools.find(({ name }) => name === 'count_words');
    assert.deepEqual(counts?.inputSchema.required, ['text']);
    type Answer = { readonly data: { readonly job_id: string; readonly result: unknown } };
    const call = async (name: string, given: Record<string, unknown>) =>
      ((await client.callTool({ name, arguments: given })).structuredContent as Answer).data;
    const { job_id } = await call('count_words', { text: 'one two  three' });
    const { result } = await call('get_job_status', { job_id, wait_seconds: 20 });
    assert.deepEqual(result, { words: 3 });
    const unknown = await client.callTool({
      name: 'get_job_status',
      arguments: { job_id: 'mjb_x' },
    });
    assert.equal(unknown.isError, true);
    assert.match(JSON.stringify(unknown.structuredContent), /RESOURCE_NOT_FOUND/);
  },
);
