/** Clients that are slow on purpose, and bodies that are huge. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { closeServer, listen } from '../../src/http/listen.ts';
import { served, type Served } from '../access-codes/served.ts';
import { until } from '../support/until.ts';

/** Connections of each kind of slowness. */
const EACH = 67;
/** By then the server has cut every one of them off, where it is not kept from its processor. */
const CUT_MS = 18_000;

const HEAD = (token: string) =>
  `POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\n`;

/** A connection that sends a byte now and then. */
function drip(url: string, start: string, more: string): Socket {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.write(start);
  const timer = setInterval(() => socket.writable && socket.write(more), 1_000);
  socket.on('error', () => {}).once('close', () => clearInterval(timer));
  socket.resume();
  return socket;
}

/** A connection that asks and asks and never reads. */
function deaf(url: string, path: string, token: string): Socket {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.on('error', () => {});
  const one = `GET ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n\r\n`;
  socket.write(one.repeat(200));
  // Not a byte is read; the end of the connection is seen all the same, by the failing write.
  const timer = setInterval(() => socket.write('G'), 1_000);
  socket.once('close', () => clearInterval(timer)).pause();
  return socket;
}

async function usual(server: Served, token: string): Promise<number> {
  const startedAt = performance.now();
  await server.data(token, 'list_projects', { limit: 1 });
  return performance.now() - startedAt;
}

test(
  '200 slow connections are cut off, and usual clients notice nothing',
  { timeout: 120_000 },
  async (t) => {
    const server = await served();
    t.after(() => server.close());
    const token = await server.token();
    const idle = await times(() => usual(server, token), 200);
    const before = process.memoryUsage.rss();
    const slow = Array.from({ length: EACH }, () => [
      drip(server.url, 'POST /mcp HTTP/1.1\r\nHost: localhost\r\nX-', 'a'),
      drip(server.url, `${HEAD(token)}Content-Length: 100000\r\n\r\n{`, ' '),
      // Each answer is a page of some thousand bytes, and all of them more than what a socket holds.
      deaf(server.url, '/errors', token),
    ]).flat();
    const startedAt = Date.now();
    const closed = slow.map(
      (socket) =>
        new Promise<number>((resolve) => {
          if (socket.closed) resolve(0);
          socket.once('close', () => resolve(Date.now() - startedAt));
        }),
    );
    const grown = (process.memoryUsage.rss() - before) / 1_048_576;
    const busy = await times(() => usual(server, token), 200);
    const dripping = closed.filter((_, at) => at % 3 !== 2);
    const cutAfter = Math.max(...(await Promise.all(dripping)));
    await Promise.all(closed);
    t.diagnostic(
      `p99 ${idle.toFixed(1)} ms idle, ${busy.toFixed(1)} ms busy; cut off after ${cutAfter} ms; ${grown.toFixed(0)} MB`,
    );
    assert.ok(cutAfter < CUT_MS + 100 * idle, `${cutAfter} ms`);
    assert.ok(busy < Math.max(5 * idle, 500), `p99 ${busy} ms, idle ${idle} ms`);
    assert.ok(grown < 100, `${grown} MB`);
  },
);

test('a streamed answer that is taken byte by byte is cut off', { timeout: 60_000 }, async (t) => {
  const server = await served();
  t.after(() => server.close());
  const token = await server.token();
  for (let i = 0; i < 100; i += 1)
    await server.data(token, 'create_project', { name: `${'x'.repeat(250)}${i}` });
  const one = { jsonrpc: '2.0', method: 'tools/call' };
  const params = { name: 'list_projects', arguments: { limit: 100 } };
  // More than all buffers between here and there hold.
  const body = JSON.stringify(Array.from({ length: 100 }, (_, id) => ({ ...one, id, params })));
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
  const accept = 'Accept: application/json, text/event-stream\r\n';
  socket.write(`${HEAD(token)}${accept}Content-Length: ${body.length}\r\n\r\n${body}`);
  socket.on('readable', () => {}).on('error', () => {});
  const sips = setInterval(() => socket.read(1), 500);
  await new Promise((resolve) => setTimeout(resolve, CUT_MS));
  clearInterval(sips);
  let last = '';
  socket.on('data', (chunk) => (last = chunk.toString('latin1').slice(-100)));
  socket.removeAllListeners('readable').resume();
  await once(socket, 'close', { signal: AbortSignal.timeout(5_000) });
  assert.doesNotMatch(last, /\r\n0\r\n\r\n$/, 'nobody waited for the rest to be taken');
});

test(
  'an answer that is taken slowly but steadily arrives whole, one that is not taken is cut off',
  { timeout: 90_000 },
  async (t) => {
    const { server, port } = await listen('127.0.0.1', 0);
    t.after(() => closeServer(server, 0));
    // More than all buffers between here and there hold.
    const text = 'x'.repeat(24 * 1_048_576);
    server.on('request', (_, outgoing) => outgoing.end(text));
    const startedAt = Date.now();
    const ask = (): Socket => {
      const socket = connect(port, '127.0.0.1').on('error', () => {});
      socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
      return socket;
    };
    const unread = ask();
    let cutAfter = 0;
    // Not a byte is read; the end of the connection is seen by the failing write.
    const drips = setInterval(() => unread.write('G'), 500);
    unread.pause().once('close', () => {
      clearInterval(drips);
      cutAfter = Date.now() - startedAt;
    });
    const steady = ask();
    let taken = 0;
    steady.on('data', (chunk) => {
      taken += chunk.length;
      steady.pause();
      const due = startedAt + (taken / text.length) * CUT_MS;
      setTimeout(() => steady.resume(), Math.max(0, due - Date.now()));
    });
    await once(steady, 'close');
    assert.ok(taken > text.length, `${taken} of ${text.length} bytes came`);
    await until('the other is cut off', () => cutAfter > 0);
    assert.ok(cutAfter < CUT_MS, `${cutAfter} ms`);
  },
);

test('a body of any size up to 64 MB is refused and not kept', async (t) => {
  const server = await served();
  t.after(() => server.close());
  const token = await server.token();
  const before = process.memoryUsage.rss();
  for (const megabytes of [2, 15, 17, 64]) {
    const chunk = Buffer.alloc(1_048_576, 0x20);
    for (const framing of [
      `Content-Length: ${megabytes * chunk.length}`,
      'Transfer-Encoding: chunked',
    ]) {
      const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
      let answer = '';
      socket.on('data', (data) => (answer += data.toString('latin1'))).on('error', () => {});
      const ended = new Promise((resolve) => socket.once('close', resolve));
      socket.write(`${HEAD(token)}Connection: close\r\n${framing}\r\n\r\n`);
      for (let sent = 0; sent < megabytes && socket.writable; sent += 1) {
        if (framing.startsWith('T')) socket.write('100000\r\n');
        const more = framing.startsWith('T') ? Buffer.concat([chunk, Buffer.from('\r\n')]) : chunk;
        if (!socket.write(more)) await Promise.race([ended, once(socket, 'drain').catch(() => {})]);
      }
      if (framing.startsWith('T') && socket.writable) socket.write('0\r\n\r\n');
      await ended;
      // Far beyond the bound the connection is cut, and the sender may not get to read why.
      if (megabytes < 16) assert.match(answer, /^HTTP\/1\.1 413/, `${megabytes} MB ${framing}`);
      else assert.match(answer, /^(HTTP\/1\.1 413|$)/, `${megabytes} MB ${framing}`);
    }
  }
  await usual(server, token);
  const grown = (process.memoryUsage.rss() - before) / 1_048_576;
  assert.ok(grown < 100, `${grown} MB`);
});

/** p99 of a time, in milliseconds. */
async function times(one: () => Promise<number>, count: number): Promise<number> {
  const all: number[] = [];
  for (let i = 0; i < count; i += 1) all.push(await one());
  return all.toSorted((a, b) => a - b)[Math.floor(count * 0.99)] ?? 0;
}

test('a flood of questions whether the server is ready costs a few writes', async (t) => {
  let looks = 0;
  const server = await served();
  t.after(() => server.close());
  const { store } = server;
  const health = store.health.bind(store);
  store.health = async () => {
    looks += 1;
    return health();
  };
  const startedAt = Date.now();
  const answers = await Promise.all(
    Array.from({ length: 500 }, async () => {
      const response = await fetch(new URL('/readyz', server.url));
      await response.text();
      return response.status;
    }),
  );
  assert.deepEqual(new Set(answers), new Set([200]));
  assert.ok(looks <= 2 + (Date.now() - startedAt) / 250, `${looks} looks`);
});
