/** What is refused before any tool is asked, and how. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import { setTimeout as rest } from 'node:timers/promises';
import { until } from '../support/until.ts';
import { ANNA, aServer, byName, call, post, rpc, rpc2026, type Answer } from './fixture.ts';

function assertEnvelope({ status, headers, body }: Answer, wanted: number, code: string): void {
  assert.equal(status, wanted);
  assert.equal(headers.get('content-type'), 'application/json');
  assert.equal(headers.get('cache-control'), 'no-store');
  assert.equal(body.error.code, code);
  assert.equal(body.error.request_id, headers.get('x-request-id'));
  assert.match(body.error.docs_url, new RegExp(`^http://127.0.0.1:\\d+/errors#${code}$`));
  assert.ok(body.error.message && body.error.remediation);
  assert.equal(typeof body.error.context.retryable, 'boolean');
}

/** A request whose headers are ours to choose, in pairs. */
async function getWith(url: string, headers: string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { headers }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    asked.on('error', reject).end();
  });
}

test('a request without a valid token is 401 with a challenge', async (t) => {
  const { url } = await aServer(t);
  for (const token of [null, 'nonsense']) {
    const answer = await rpc(url, 'tools/list', {}, { token });
    assertEnvelope(answer, 401, 'AUTHENTICATION_REQUIRED');
    assert.equal(answer.headers.get('www-authenticate'), 'Bearer');
  }
});

test('without the required ability every MCP request is 403, initialize included', async (t) => {
  const { url } = await aServer(t, { requiredAbility: 'mcp:full' });
  const token = 'anna/anna/some:thing';
  for (const [send, method] of [
    [rpc, 'initialize'],
    [rpc, 'tools/list'],
    [rpc, 'tools/call'],
    [rpc, 'no/such/method'],
    [rpc2026, 'server/discover'],
    [rpc2026, 'tools/list'],
  ] as const) {
    const answer = await send(url, method, {}, { token });
    assertEnvelope(answer, 403, 'TOKEN_MISSING_ABILITY');
    assert.equal(answer.body.error.context.required_ability, 'mcp:full');
  }
  const granted = await rpc(url, 'tools/list', {}, { token: 'anna/anna/mcp:full' });
  assert.equal(granted.status, 200);
});

test('a token has so many requests a minute, and is told when to come back', async (t) => {
  const { url } = await aServer(t, { rateLimit: 3 });
  for (let i = 0; i < 3; i += 1) assert.equal((await rpc(url, 'tools/list', {})).status, 200);
  const answer = await rpc(url, 'tools/list', {});
  assertEnvelope(answer, 429, 'RATE_LIMITED');
  const seconds = Number(answer.headers.get('retry-after'));
  // Of the minute that began with the first request.
  assert.ok(seconds >= 30 && seconds <= 60, `${seconds} s`);
  assert.equal(answer.body.error.context.retry_after_seconds, seconds);
  const other = await rpc(url, 'tools/list', {}, { token: 'anna/bert/*' });
  assert.equal(other.status, 200);
});

test('who loses the required ability is told no more, though he waits already', async (t) => {
  let isTaken = false;
  const { url } = await aServer(t, {
    requiredAbility: 'mcp:full',
    inProcess: false,
    workers: 0,
    identify: async (asked) => {
      const who = await byName(asked);
      return who && isTaken ? { ...who, abilities: ['things:make'] } : who;
    },
  });
  const { data } = await call(url, 'add', { a: 1, b: 2 });
  const begun = performance.now();
  const waiting = call(url, 'get_job_status', { job_id: data.job_id, wait_seconds: 25 });
  await rest(300);
  isTaken = true;
  const { error } = await waiting;
  assert.equal(error?.code, 'AUTHENTICATION_REQUIRED');
  assert.ok(performance.now() - begun < 10_000);
});

test('a batch counts as the calls that are in it', async (t) => {
  const { url } = await aServer(t, { rateLimit: 10 });
  const list = { jsonrpc: '2.0', method: 'tools/list' };
  const batch = Array.from({ length: 11 }, (_, id) => ({ ...list, id }));
  assertEnvelope(await post(url, JSON.stringify(batch)), 429, 'RATE_LIMITED');
});

test('a batch behind byte order marks counts as the calls that are in it', async (t) => {
  const { url } = await aServer(t, { rateLimit: 10 });
  const list = { jsonrpc: '2.0', method: 'tools/list' };
  const batch = JSON.stringify(Array.from({ length: 11 }, (_, id) => ({ ...list, id })));
  // One is no part of a text, a second one is.
  assert.equal((await post(url, `\uFEFF\uFEFF${batch}`)).body.error.code, -32700);
  assertEnvelope(await post(url, `\uFEFF${batch}`), 429, 'RATE_LIMITED');
});

test('an empty batch counts as a request', async (t) => {
  const { url } = await aServer(t, { rateLimit: 3 });
  for (let i = 0; i < 3; i += 1) assert.notEqual((await post(url, '[]')).status, 429);
  assertEnvelope(await post(url, '[]'), 429, 'RATE_LIMITED');
});

test('an address without a valid token has five requests a minute, valid tokens are untouched', async (t) => {
  const { url } = await aServer(t, { rateLimit: 120 });
  for (let i = 0; i < 5; i += 1) {
    assert.equal((await rpc(url, 'tools/list', {}, { token: `bad-${i}` })).status, 401);
  }
  assertEnvelope(await rpc(url, 'tools/list', {}, { token: null }), 429, 'RATE_LIMITED');
  assertEnvelope(await rpc(url, 'tools/list', {}, { token: 'bad-6' }), 429, 'RATE_LIMITED');
  assert.equal((await rpc(url, 'tools/list', {}, { token: ANNA })).status, 200);
});

test('a flood of bad tokens keeps no valid one out, not even one never seen before', async (t) => {
  const { url } = await aServer(t, { rateLimit: 120 });
  await Promise.all(
    Array.from({ length: 200 }, (_, i) => rpc(url, 'ping', {}, { token: `bad-${i}` })),
  );
  assert.equal((await rpc(url, 'ping', {}, { token: 'bad-200' })).status, 429);
  assert.equal((await rpc(url, 'ping', {}, { token: ANNA })).status, 200);
});

test('who asks twice as often as he may is told so half a second later', async (t) => {
  const { url } = await aServer(t, { rateLimit: 3 });
  for (let i = 0; i < 6; i += 1) await rpc(url, 'ping', {});
  const begun = performance.now();
  const refused = rpc(url, 'ping', {});
  const other = await rpc(url, 'ping', {}, { token: 'anna/bert/*' });
  assert.equal(other.status, 200);
  assertEnvelope(await refused, 429, 'RATE_LIMITED');
  assert.ok(performance.now() - begun > 450);
});

test('behind a trusted proxy the last hop of X-Forwarded-For is the address', async (t) => {
  const { url } = await aServer(t, { rateLimit: 120, trustProxy: true });
  const from = (address: string) => ({
    token: null,
    headers: { 'x-forwarded-for': `6.6.6.6, ${address}` },
  });
  for (let i = 0; i < 6; i += 1) await rpc(url, 'ping', {}, from('1.2.3.4'));
  assert.equal((await rpc(url, 'ping', {}, from('1.2.3.4'))).status, 429);
  assert.equal((await rpc(url, 'ping', {}, from('1.2.3.5'))).status, 401);
});

test('a Host or Origin that is not known is refused', async (t) => {
  const { url, publicUrl } = await aServer(t, {
    allowHosts: ['jobs.internal'],
    allowOrigins: ['https://app.example.com'],
  });
  const ping = async (origin: string) => rpc(url, 'ping', {}, { headers: { origin } });
  assertEnvelope(await ping('https://evil.example.com'), 403, 'ORIGIN_REFUSED');
  assertEnvelope(await ping('null'), 403, 'ORIGIN_REFUSED');
  assertEnvelope(await ping('https://app.example.com.evil.com'), 403, 'ORIGIN_REFUSED');
  for (const origin of ['https://app.example.com', publicUrl, 'http://localhost:5173']) {
    assert.equal((await ping(origin)).status, 200, origin);
  }
  assert.equal(await getWith(publicUrl, ['Host', 'evil.example.com']), 403);
  assert.equal(await getWith(publicUrl, ['Host', 'jobs.internal:80']), 200);
  assert.equal(await getWith(`${publicUrl}/healthz`, ['Host', '10.0.0.7:3000']), 200);
});

test('a request with two Host or Origin headers is refused, whatever the first one says', async (t) => {
  const { publicUrl } = await aServer(t);
  assert.equal(await getWith(publicUrl, ['Host', 'localhost']), 200);
  assert.equal(await getWith(publicUrl, ['Host', 'localhost', 'Host', 'localhost']), 403);
  const headers = ['Host', 'localhost', 'Origin', publicUrl];
  assert.equal(await getWith(publicUrl, headers), 200);
  assert.equal(await getWith(publicUrl, [...headers, 'Origin', 'https://evil.example.com']), 403);
});

/** Send these lines, and give the status of the answer. */
async function statusOf(url: string, ...lines: readonly string[]): Promise<number> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  let answer = '';
  socket.on('data', (chunk) => (answer += chunk.toString())).on('error', () => {});
  socket.write(`${[...lines, 'Connection: close'].join('\r\n')}\r\n\r\n`);
  await new Promise((resolve) => socket.once('close', resolve));
  return Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);
}

test('a target that is a whole address is answered by its path, and its host stands for the header', async (t) => {
  const { url, publicUrl } = await aServer(t, { allowHosts: ['jobs.internal'] });
  const ask = (target: string, ...hosts: readonly string[]) =>
    statusOf(url, `GET ${target} HTTP/1.1`, ...hosts.map((host) => `Host: ${host}`));
  for (const [target, status] of [
    [publicUrl, 200],
    [`${publicUrl}?a=b`, 200],
    [`${publicUrl}/errors`, 200],
    // Nobody says who he is.
    [url, 401],
    ['HTTPS://Jobs.Internal/mcp?a', 401],
    ['http://evil.example/mcp', 403],
    ['http://evil.example', 403],
    ['http://localhost@evil.example/mcp', 403],
    ['http://evil.example@localhost/mcp', 403],
    ['http://[::1/mcp', 403],
    ['http://localhost:99999999/mcp', 403],
    ['http:///mcp', 403],
    ['http://', 403],
    ['http://localhost//evil.example/mcp', 404],
    ['//localhost/mcp', 404],
    ['//evil.example/mcp', 404],
    ['ftp://localhost/mcp', 400],
    ['*', 400],
    ['http://evil.example/healthz', 200],
  ] as const) {
    assert.equal(await ask(target, 'localhost'), status, target);
  }
  assert.equal(await ask(publicUrl, 'evil.example'), 200);
  assert.equal(await ask(publicUrl, 'localhost', 'localhost'), 403);
  assert.equal(await statusOf(url, `GET ${publicUrl} HTTP/1.0`), 200);
});

test('a header that is named like a part of every object is one like any other', async (t) => {
  const { url } = await aServer(t);
  const odd = ['__proto__: x', '__PROTO__: y', 'constructor: x', 'toString: x'];
  const token = `Authorization: Bearer ${ANNA}`;
  assert.equal(await statusOf(url, 'GET / HTTP/1.1', 'Host: localhost', ...odd), 200);
  assert.equal(await statusOf(url, 'GET /mcp HTTP/1.1', 'Host: localhost', ...odd, token), 405);
  assert.equal(await statusOf(url, 'GET / HTTP/1.1', 'Host: evil.example', ...odd), 403);
});

test('a body that is too large or too deep is 413', async (t) => {
  const { url } = await aServer(t, { maxBodyBytes: 20_000 });
  const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
  const body = (args: string) =>
    `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":${args}}}`;
  assertEnvelope(await post(url, body(`"${'x'.repeat(300_000)}"`)), 413, 'PAYLOAD_TOO_LARGE');
  assertEnvelope(await post(url, body(nested(63))), 413, 'PAYLOAD_TOO_LARGE');
  assert.equal((await post(url, body(nested(62)))).status, 200);
  assert.equal((await post(url, body(`"${'['.repeat(1_000)}\\"{{{"`))).status, 200);
});

test('a body that is no JSON is answered by the SDK', async (t) => {
  const { url } = await aServer(t);
  for (const text of ['{', '', 'x'.repeat(1_000)]) {
    const { status, body } = await post(url, text);
    assert.equal(status, 400);
    assert.equal(body.error.code, -32700);
  }
  const { body } = await post(url, 'null');
  assert.equal(body.jsonrpc, '2.0');
});

test('what the SDK refuses is repeated cut, and without characters that nobody sees', async (t) => {
  const { url } = await aServer(t);
  const name = `a\u{202e}b\r\n${'c'.repeat(5_000)}`;
  const asked = [
    await rpc2026(url, 'tools/call', { name }, { headers: { 'mcp-name': 'x' } }),
    await rpc2026(
      url,
      'tools/list',
      {},
      { headers: { 'mcp-protocol-version': 'v'.repeat(5_000) } },
    ),
    await rpc2026(url, `a\u{202e}b`, {}, { headers: { 'mcp-method': 'x' } }),
  ];
  for (const { status, body } of asked) {
    assert.equal(status, 400);
    assert.equal(typeof body.error.code, 'number');
    assert.ok(body.error.message !== '' && body.error.message.length <= 1_000);
    assert.doesNotMatch(JSON.stringify(body), /\u{202e}|\\r|c{1000}|v{1000}/u);
  }
});

test('other HTTP methods are 405, and no session is ever issued', async (t) => {
  const { url } = await aServer(t);
  for (const method of ['GET', 'DELETE', 'PUT']) {
    const authorization = `Bearer ${ANNA}`;
    const response = await fetch(url, {
      method,
      headers: { authorization, accept: 'text/event-stream' },
    });
    const { error } = (await response.json()) as { error: { code: string } };
    assert.equal(response.status, 405, method);
    assert.equal(response.headers.get('allow'), 'POST');
    assert.equal(error.code, 'METHOD_NOT_ALLOWED');
  }
  const { headers } = await rpc(url, 'initialize', {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'test', version: '1' },
  });
  assert.equal(headers.get('mcp-session-id'), null);
});

test('a client that sends its request too slowly is cut off', { timeout: 30_000 }, async (t) => {
  const { url } = await aServer(t);
  const { port } = new URL(url);
  const socket = connect(Number(port), '127.0.0.1');
  socket.write('POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Le');
  const begun = Date.now();
  await new Promise<void>((resolve) => {
    socket.on('error', () => {}).once('close', () => resolve());
    socket.resume();
  });
  assert.ok(Date.now() - begun < 20_000);
});

test('a connection that the client wants closed is closed after the answer, a streamed one too', async (t) => {
  const { url } = await aServer(t);
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' });
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const headers = {
      connection: 'close',
      authorization: `Bearer ${ANNA}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
    };
    request(url, { method: 'POST', headers }, resolve).on('error', reject).end(body);
  });
  response.resume();
  assert.equal(response.headers['content-type'], 'text/event-stream');
  assert.equal(response.headers.connection, 'close');
  await once(response.socket, 'close');
});

test('so many requests may be under way on one connection, and one more ends it', async (t) => {
  const { url } = await aServer(t, { inProcess: false, workers: 0 });
  const { data } = await call(url, 'add', { a: 1, b: 2 });
  const args = { job_id: data.job_id, wait_seconds: 5 };
  const params = { name: 'get_job_status', arguments: args };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params });
  const one = [
    'POST /mcp HTTP/1.1',
    'Host: localhost',
    `Authorization: Bearer ${ANNA}`,
    'Content-Type: application/json',
    'Accept: application/json, text/event-stream',
    `Content-Length: ${body.length}`,
    '',
    body,
  ].join('\r\n');
  const send = (count: number) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    const answer = { text: '', isClosed: false };
    socket.on('data', (chunk: Buffer) => (answer.text += chunk.toString('latin1')));
    socket.on('error', () => {}).once('close', () => (answer.isClosed = true));
    socket.write(one.repeat(count));
    t.after(() => socket.destroy());
    return answer;
  };
  const [fits, tooMany] = [send(16), send(17)];
  await until('it has ended', () => tooMany.isClosed, { ms: 4_000 });
  assert.equal(tooMany.text, '');
  const answered = () => fits.text.match(/^HTTP\/1\.1 200/gm)?.length;
  await until('the others are answered', () => answered() === 16, { ms: 20_000 });
  assert.equal(fits.isClosed, false);
});

test('a client that leaves in the middle is no fault', async (t) => {
  const logged: object[] = [];
  const error = (fields: object) => void logged.push(fields);
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error };
  const { url } = await aServer(t, { log });
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  const head = `POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${ANNA}\r\n`;
  socket.write(`${head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"a":`);
  await rpc(url, 'tools/list', {});
  socket.destroy();
  await rpc(url, 'tools/list', {});
  await rpc(url, 'tools/list', {});
  assert.deepEqual(logged, []);
});

test('a tool that throws is INTERNAL_ERROR without detail, and the log has it', async (t) => {
  const logged: object[] = [];
  const log = {
    debug: () => {},
    info: () => {},
    warn: () => {},
    error: (fields: object) => void logged.push(fields),
  };
  const { url } = await aServer(t, {
    log,
    tools: (mcp) => {
      mcp.registerTool('broken', { description: 'Breaks.' }, () => {
        throw new Error('a secret detail');
      });
    },
  });
  const { error } = await call(url, 'broken', {});
  assert.equal(error.code, 'INTERNAL_ERROR');
  assert.ok(!JSON.stringify(error).includes('secret'));
  const found = logged.find((fields) => 'request_id' in fields) as { request_id?: string };
  assert.equal(found.request_id, error.request_id);
});
