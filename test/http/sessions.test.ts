/** How many sessions there are, and how long one lasts that nobody uses. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { McpServer } from '@modelcontextprotocol/server';
import { CallAuth, type Call } from '../../src/http/mcp-server.ts';
import { Sessions } from '../../src/http/sessions.ts';
import { SILENT } from '../../src/job/log.ts';

const HOUR_MS = 3_600_000;
const who = { team: 'tem_a', owner: 'usr_a', abilities: ['*'] };

/** Sessions of one caller, and how many of their servers are open. */
function aHouse(t: TestContext) {
  const open = new Set<McpServer>();
  const sessions = new Sessions(() => {
    const server = new McpServer({ name: 'test', version: '1' }, { capabilities: { tools: {} } });
    open.add(server);
    const close = server.close.bind(server);
    server.close = async () => {
      open.delete(server);
      await close();
    };
    return server;
  }, SILENT);
  t.after(() => sessions.close());
  const call: Call = { who, requestId: 'req_1', again: () => Promise.resolve(who) };
  const send = async (method: string, message: object | null, session?: string) => {
    const headers = {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2025-11-25',
      ...(session !== undefined && { 'mcp-session-id': session }),
    };
    const request = new Request('http://127.0.0.1/mcp', { method, headers });
    const parsedBody = message === null ? undefined : { jsonrpc: '2.0', id: 1, ...message };
    const answer = await sessions.serve({
      request,
      parsedBody,
      authInfo: new CallAuth(call),
      call,
    });
    await answer.body?.cancel();
    return answer;
  };
  return {
    open,
    sessions,
    end: (session: string) => send('DELETE', null, session),
    begin: async (): Promise<string> => {
      const params = {
        protocolVersion: '2025-11-25',
        clientInfo: { name: 'test', version: '1' },
        capabilities: {},
      };
      const answer = await send('POST', { method: 'initialize', params });
      return answer.headers.get('mcp-session-id') ?? '';
    },
    refused: () => send('POST', { method: 'tools/list' }),
    isKnown: async (session: string) =>
      (await send('POST', { method: 'ping' }, session)).status !== 404,
  };
}

test('a session that nobody has used for an hour is forgotten, and one in use is kept', async (t) => {
  const { begin, isKnown, open } = aHouse(t);
  const began = process.hrtime.bigint();
  let later = 0;
  t.mock.method(process.hrtime, 'bigint', () => began + BigInt(later) * 1_000_000n);
  const [idle, used] = [await begin(), await begin()];
  later += HOUR_MS / 2;
  assert.equal(await isKnown(used), true);
  later += HOUR_MS / 2;
  await begin();
  assert.equal(open.size, 3, 'not before the hour is over');
  later += 1;
  await begin();
  assert.deepEqual([await isKnown(idle), await isKnown(used)], [false, true]);
  assert.equal(open.size, 3);
});

test('what begins no session ends none', async (t) => {
  const { begin, isKnown, refused } = aHouse(t);
  const ids = await Promise.all(Array.from({ length: 1_000 }, () => begin()));
  assert.equal((await refused()).status, 400);
  assert.equal(await isKnown(ids[0] ?? ''), true);
});

test('there are a thousand sessions at most; for one more the one goes that was not used for longest', async (t) => {
  const { begin, end, isKnown } = aHouse(t);
  const began = process.hrtime.bigint();
  let later = 0;
  t.mock.method(process.hrtime, 'bigint', () => began + BigInt(later) * 1_000_000n);
  const ids: string[] = [];
  const next = async (): Promise<string> => {
    later += 1;
    return begin();
  };
  for (let i = 0; i < 999; i += 1) ids.push(await next());
  // One that its client has ended takes no place.
  await end(await next());
  ids.push(await next());
  const [first = '', second = '', third = ''] = ids;
  later += 1;
  assert.equal(await isKnown(first), true);
  await next();
  assert.deepEqual(
    [await isKnown(first), await isKnown(second), await isKnown(third)],
    [true, false, true],
  );
});

test('a session that its client ends is not to be found any more', async (t) => {
  const { begin, end, isKnown } = aHouse(t);
  const session = await begin();
  assert.equal(await isKnown(session), true);
  assert.equal((await end(session)).status, 200);
  assert.equal(await isKnown(session), false);
});

test('closing ends every session', async (t) => {
  const { begin, isKnown, open, sessions } = aHouse(t);
  const ids = [await begin(), await begin()];
  await sessions.close();
  assert.equal(open.size, 0);
  for (const id of ids) assert.equal(await isKnown(id), false);
});
