/** The 2025 leg with sessions: a way to the client, bound to who opened it, and ended with it. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as OldTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { CallToolResultSchema, ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import type { Identify } from '../../src/http.ts';
import { byName } from '../http/fixture.ts';
import { until } from '../support/until.ts';
import { aTaskServer, modern, old, plain } from './wire.ts';

async function connected(t: TestContext, url: string, asked: string[]): Promise<OldClient> {
  const client = new OldClient(
    { name: 'test', version: '1' },
    { capabilities: { elicitation: {} } },
  );
  client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
    asked.push(params.message);
    if (params.message === 'Which colour?') return { action: 'accept', content: { colour: 'red' } };
    if (params.message === 'Which size?') return { action: 'accept', content: { size: 3 } };
    return { action: 'accept', content: { sure: true } };
  });
  const requestInit = { headers: { authorization: 'Bearer anna/anna/*' } };
  await client.connect(new OldTransport(new URL(url), { requestInit }));
  t.after(() => client.close());
  return client;
}

test('whoever waits for a result is asked on the way, and his answers are kept', async (t) => {
  const { url } = await aTaskServer(t, { sessionful: true });
  const asked: string[] = [];
  const client = await connected(t, url, asked);
  const { tasks } = client.experimental;
  const params = { name: 'survey', arguments: {} };
  const told = [];
  for await (const message of tasks.callToolStream(params, CallToolResultSchema, { task: {} })) {
    told.push(message);
  }
  const last = told.at(-1);
  assert.equal(last?.type, 'result', JSON.stringify(last));
  assert.deepEqual(asked.toSorted(), ['Really?', 'Which colour?', 'Which size?']);
  const data = { painted: 'red in size 3' };
  assert.deepEqual(last?.type === 'result' && last.result.structuredContent, { data });
});

test('prepare asks a client of a session, in the middle of the call', async (t) => {
  const { url } = await aTaskServer(t, { sessionful: true });
  const asked: string[] = [];
  const client = await connected(t, url, asked);
  const called = await client.callTool({ name: 'consented', arguments: {} });
  const { data } = called.structuredContent as { data: { job_id: string } };
  assert.deepEqual(asked, ['Which colour?', 'Really?']);
  const done = await until('it is completed', async () => {
    const view = (await plainIn(client, data.job_id)).data;
    return view.status === 'completed' && view;
  });
  assert.deepEqual(done.result, { carried: 'red' });
});

test('a session is to be found only by who opened it, with the same rights', async (t) => {
  const { url } = await aTaskServer(t, { sessionful: true });
  const initialize = {
    protocolVersion: '2025-11-25',
    clientInfo: { name: 'test', version: '1' },
    capabilities: {},
  };
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      authorization: 'Bearer anna/anna/*',
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params: initialize }),
  });
  await response.text();
  const session = response.headers.get('mcp-session-id') ?? '';
  assert.match(session, /^ses_/);
  const headers = { 'mcp-session-id': session };
  const ask = (token: string, id = session) =>
    old(url, 'tools/list', {}, { token, headers: { ...headers, 'mcp-session-id': id } });
  assert.ok((await ask('anna/anna/*')).result.tools.length > 0);
  for (const token of ['anna/bert/*', 'bert/anna/*', 'anna/anna/job:view-any']) {
    assert.equal((await ask(token)).status, 404, token);
  }
  assert.equal((await ask('anna/anna/*', 'ses_unknown')).status, 404);
  // Clients of 2026-07-28 are served beside it, without any.
  assert.ok((await modern(url, 'tools/list', {})).result.tools.length > 0);
});

test('the stream of a session ends when its token is revoked', async (t) => {
  let isRevoked = false;
  const identify: Identify = (request) => (isRevoked ? null : byName(request));
  const { url } = await aTaskServer(t, { sessionful: true, identify });
  const client = await connected(t, url, []);
  const { sessionId = '' } = client.transport as OldTransport;
  await (client.transport as OldTransport).close();
  const headers = {
    accept: 'text/event-stream',
    authorization: 'Bearer anna/anna/*',
    'mcp-session-id': sessionId,
  };
  const stream = await until('its stream is free', async () => {
    const response = await fetch(url, { headers });
    return response.status === 200 && response;
  });
  let isEnded = false;
  const ended = stream.text().catch(() => 'cut');
  void ended.finally(() => (isEnded = true));
  isRevoked = true;
  await until('it has ended', () => isEnded, { ms: 5_000 });
});

test('without the option there are no sessions', async (t) => {
  const { url } = await aTaskServer(t);
  const client = await connected(t, url, []);
  assert.equal((client.transport as OldTransport).sessionId, undefined);
  assert.equal(
    (await fetch(url, { headers: { authorization: 'Bearer anna/anna/*' } })).status,
    405,
  );
  assert.deepEqual((await plain(url, 'list_jobs', {})).data, []);
});

async function plainIn(client: OldClient, job_id: string) {
  const called = await client.callTool({ name: 'get_job_status', arguments: { job_id } });
  return called.structuredContent as { data: { status: string; result: unknown } };
}
