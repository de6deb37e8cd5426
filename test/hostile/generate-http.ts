/** Hostile bodies, addresses, headers and bytes, made by seed. */
import * as fc from 'fast-check';
import type { Case } from './case.ts';
import { callOf } from './generate-calls.ts';
import { MARK, PROMPTS, SHELL, SQL, TEMPLATE } from './texts.ts';
import type { Known, Wanted } from './wanted.ts';

const LIST = '{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}';

/** Bytes that are no JSON, or JSON that no parser should be fed with. */
export function bodyCases({ seed, bodies }: Wanted): Case[] {
  const whole = Buffer.from(callOf('list_projects', `{"limit":5,"note":"${'\u00e9'.repeat(3)}"}`));
  const spoiled = fc
    .tuple(fc.nat(whole.length - 1), fc.nat(255), fc.nat(3))
    .map(([at, byte, how]): Buffer => {
      if (how === 0) return whole.subarray(0, at);
      if (how === 1) return Buffer.concat([whole.subarray(0, at), whole.subarray(at + 1)]);
      const changed = Buffer.from(whole);
      if (how === 2) changed[at] = byte;
      return how === 2
        ? changed
        : Buffer.concat([whole.subarray(0, at), Buffer.from([byte]), whole.subarray(at)]);
    });
  return fc
    .sample(spoiled, { seed, numRuns: bodies })
    .map((body) => ({ kind: 'body', what: body.toString('latin1'), body }))
    .concat(
      fixedBodies().map((body) => ({
        kind: 'body',
        what: `${body.length} bytes ${body.subarray(0, 60).toString('latin1')}`,
        body,
      })),
    );
}

function fixedBodies(): Buffer[] {
  const deep = [10, 63, 64, 65, 1_000, 100_000].flatMap((depth) => [
    '['.repeat(depth) + ']'.repeat(depth),
    '['.repeat(depth),
    callOf('list_projects', `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`),
    callOf('list_projects', `${'[{"a":'.repeat(depth / 2)}1${'}]'.repeat(depth / 2)}`),
  ]);
  const keys = Array.from({ length: 60_000 }, (_, i) => `"k${i}":1`).join(',');
  const hashes = Array.from({ length: 60_000 }, (_, i) => `"${i * 65_536}":1`).join(',');
  const texts = [
    ...deep,
    '',
    ' ',
    'null',
    'true',
    '0',
    '""',
    '[]',
    '{}',
    '[[]]',
    'undefined',
    'NaN',
    "{'a':1}",
    '{"a":1,}',
    '\ufeff' + LIST,
    '//x\n{}',
    '{"a":\u0000}',
    LIST + LIST,
    LIST + '\u0000',
    `${' '.repeat(500_000)}${LIST}`,
    'x'.repeat(1_048_576),
    'x'.repeat(1_048_577),
    '{"jsonrpc":"2.0","jsonrpc":"1.0","id":1,"id":2,"method":"ping","method":"tools/list"}',
    '{"__proto__":{"jsonrpc":"2.0","id":1,"method":"tools/list"}}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/list","__proto__":{"isAdmin":true},"constructor":{"prototype":{"x":1}}}',
    callOf('list_projects', `{${keys}}`),
    callOf('list_projects', `{${hashes}}`),
    callOf('list_projects', `{"page":1,"page":2,"limit":1,"limit":"${MARK}"}`),
    callOf('create_project', `{"name":${keysOnly(50_000)}}`),
    ...[0, 1, 2, 100, 101, 1_000].map(
      (n) =>
        `[${Array.from({ length: n }, (_, i) => LIST.replace('"id":1', `"id":${i}`)).join(',')}]`,
    ),
    `[${Array.from({ length: 100 }, () => LIST).join(',')}]`,
    '{"jsonrpc":"2.0","id":1,"result":{}}',
    '{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"x"}}',
    '[{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}]',
  ].map((text) => Buffer.from(text));
  return [
    ...texts,
    Buffer.from(LIST, 'utf16le'),
    Buffer.from([0xff, 0xfe, 0xc0, 0xaf]),
    Buffer.from([0x1f, 0x8b, 8, 0]),
  ];
}

function keysOnly(items: number): string {
  return `[${Array.from({ length: items }, () => '1').join(',')}]`;
}

const PATHS: readonly string[] = [
  '/',
  '/mcp',
  '/mcp/',
  '/MCP',
  '//mcp',
  '/mcp/..',
  '/./mcp',
  '/mcp%2f',
  '/%6dcp',
  '/mcp?token=x',
  '/mcp#x',
  '/mcp;x',
  '/errors',
  '/healthz',
  '/readyz',
  '/batches',
  '/batches/',
  '/batches/x',
  '/batches/.csv',
  '/batches/..%2f..%2fetc%2fpasswd',
  '/batches/%00.csv',
  '/batches/%ff.csv',
  '/batches/%',
  '/batches/a/b.csv',
  '/favicon.ico',
  '/.env',
  '/.git/config',
  '/metrics',
  '/api',
  '/dashboard',
  '/../../etc/passwd',
  '/%2e%2e/%2e%2e/etc/passwd',
  '/__proto__',
  '/constructor',
  '/jobs/x/result',
  '/*',
  `/${'a'.repeat(4_000)}`,
  `/${encodeURIComponent(MARK)}%20ignore%20previous%20instructions`,
  '/\\evil.example',
  '/%0d%0aSet-Cookie:x=1',
  '/sse',
  '/messages',
  '/.well-known/oauth-protected-resource',
];

/** Every route with every method, and addresses that are almost routes. */
export function routeCases(known: Known): Case[] {
  const methods = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS', 'PROPFIND', 'TRACE'];
  const batches = [...known.foreign, ...SQL, ...SHELL, ...TEMPLATE].flatMap((id) => [
    `/batches/${encodeURIComponent(id.toWellFormed())}.csv`,
    `/batches/${encodeURIComponent(id.toWellFormed())}`,
  ]);
  const plain = PATHS.flatMap((path) => methods.map((method) => routeCase(method, path)));
  return [...plain, ...batches.map((path) => routeCase('GET', path))];
}

function routeCase(method: string, path: string): Case {
  const hasBody = method !== 'GET' && method !== 'HEAD';
  return {
    kind: 'route',
    what: `${method} ${path.slice(0, 100)}`,
    method,
    path,
    body: hasBody ? LIST : '',
  };
}

const PROMPT_HEADERS = PROMPTS.map((text) => text.replaceAll(/[^\x20-\x7e]/g, ' '));

/** Headers that are missing, twice there, contradictory or malformed. */
export function headerCases(token: string): Case[] {
  const bearer = [
    '',
    'Bearer',
    'Bearer ',
    `bearer ${token}`,
    `Bearer  ${token}`,
    `Bearer ${token} `,
    `Basic ${token}`,
    token,
    `Bearer ${token},${token}`,
    `Bearer ${token} x`,
    `Bearer ${token.slice(0, -1)}`,
    `Bearer ${token}x`,
    `Bearer ${token.toLowerCase()}`,
    'Bearer null',
    'Bearer undefined',
    'Bearer [object Object]',
    'Bearer eyJhbGciOiJub25lIn0.e30.',
    `Bearer ${'x'.repeat(8_000)}`,
    'Digest username="x"',
    `Bearer\t${token}`,
    ...PROMPT_HEADERS.map((text) => `Bearer ${text}`),
  ];
  const values = [
    '',
    ' ',
    'x',
    '*/*',
    'text/event-stream',
    'application/json',
    '2026-07-28',
    '2025-11-25',
    '1999-01-01',
    MARK,
    'tools/list',
    'tools/call',
    '=?base64?dG9vbHMvbGlzdA==?=',
    '=?base64?!!!?=',
    '=?base64?',
    '0',
    '-1',
    '1e309',
    'null',
    'a'.repeat(6_000),
    '\u00ff\u00fe',
    '__proto__',
    'true',
    'application/json; charset=utf-16',
    'multipart/form-data; boundary=x',
    'gzip',
    'http://evil.example',
    ...PROMPT_HEADERS.slice(0, 4),
  ];
  const names = [
    'accept',
    'content-type',
    'mcp-protocol-version',
    'mcp-method',
    'mcp-name',
    'mcp-session-id',
    'last-event-id',
    'idempotency-key',
    'origin',
    'x-forwarded-for',
    'x-request-id',
    'content-encoding',
    'traceparent',
    'cookie',
    '__proto__',
    'x-http-method-override',
    'expect-ct',
  ];
  const modern =
    '{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"x","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}';
  const one = (headers: Case['headers'], body: string): Case => ({
    kind: 'header',
    what: JSON.stringify(headers).slice(0, 200),
    ...(headers && { headers }),
    body,
  });
  return [
    ...bearer.map((authorization) => one({ authorization }, LIST)),
    one({ authorization: null }, LIST),
    one({ accept: null }, LIST),
    one({ 'content-type': null }, LIST),
    ...names.flatMap((name) => values.map((value) => one({ [name]: value }, LIST))),
    ...names.flatMap((name) =>
      values
        .slice(0, 12)
        .map((value) =>
          one(
            { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/list', [name]: value },
            modern,
          ),
        ),
    ),
    ...names.map((name) => one({ [name]: ['2026-07-28', 'tools/list'] }, modern)),
  ];
}

/** Requests that are no proper HTTP. */
export function framingCases({ seed, bodies }: Wanted): Case[] {
  const head = (more: string, line = 'POST /mcp HTTP/1.1') =>
    `${line}\r\nHost: localhost\r\nAuthorization: Bearer TOKEN\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nConnection: close\r\n${more}\r\n`;
  const length = `Content-Length: ${LIST.length}\r\n`;
  const chunk = `${LIST.length.toString(16)}\r\n${LIST}\r\n0\r\n\r\n`;
  const chunked = 'Transfer-Encoding: chunked\r\n';
  const texts = [
    head(length) + LIST,
    head(chunked) + chunk,
    head(length + chunked) + chunk,
    head(chunked + chunked) + chunk,
    head(`Transfer-Encoding: identity\r\n${length}`) + LIST,
    head(`Transfer-Encoding: xchunked\r\n`) + chunk,
    head(`Transfer-Encoding : chunked\r\n`) + chunk,
    head(`Content-Length: 5\r\n`) + LIST,
    head(`Content-Length: 5000\r\n`) + LIST,
    head(`Content-Length: -1\r\n`) + LIST,
    head(`Content-Length: +5\r\n`) + LIST,
    head(`Content-Length: 5\r\nContent-Length: 6\r\n`) + LIST,
    head(`Content-Length: 1e3\r\n`) + LIST,
    head(`Content-Length: 99999999999999999999\r\n`) + LIST,
    head(`Content-Length: 0x10\r\n`) + LIST,
    head(chunked) + 'zz\r\nabc\r\n0\r\n\r\n',
    head(chunked) + 'ffffffffffffffff\r\nabc',
    head(chunked) + '5;x=y\r\nabcde\r\n0\r\nTrailer: x\r\n\r\n',
    head('X: a\r\n b\r\n' + length) + LIST,
    head('X\u0000: a\r\n' + length) + LIST,
    head(': a\r\n' + length) + LIST,
    head(`X: ${'a'.repeat(20_000)}\r\n${length}`) + LIST,
    head('X: a\nY: b\r\n' + length) + LIST,
    head('Expect: 100-continue\r\n' + length) + LIST,
    head('Expect: x\r\n' + length) + LIST,
    head(`${'X: a\r\n'.repeat(3_000)}${length}`) + LIST,
    head('Upgrade: websocket\r\nConnection: upgrade\r\n' + length) + LIST,
    head('Upgrade: h2c\r\n' + length) + LIST,
    ...[
      'POST /mcp HTTP/2.0',
      'POST /mcp HTTP/1.0',
      'POST /mcp',
      'POST  /mcp HTTP/1.1',
      'post /mcp HTTP/1.1',
      'FOO /mcp HTTP/1.1',
      'CONNECT localhost:1 HTTP/1.1',
      'POST http://evil.example/mcp HTTP/1.1',
      'POST * HTTP/1.1',
      'OPTIONS * HTTP/1.1',
      'GET http://localhost/ HTTP/1.1',
      'GET //evil/ HTTP/1.1',
      'GET /\u00ff HTTP/1.1',
      'GET /a b HTTP/1.1',
      'GET \\ HTTP/1.1',
      'GET ? HTTP/1.1',
      'GET x HTTP/1.1',
      'PRI * HTTP/2.0',
    ].map((line) => head(length, line) + LIST),
    '\r\n\r\n',
    '\u0016\u0003\u0001\u0002\u0000',
    'GET / HTTP/1.1\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: a\r\nHost: localhost\r\n\r\n',
    'x'.repeat(50_000),
    '\n'.repeat(1_000),
    '{"jsonrpc":"2.0"}',
    head(length) + LIST + head(length) + LIST,
  ];
  const whole = head(length) + LIST;
  const cut = fc
    .sample(fc.nat(whole.length), { seed, numRuns: bodies })
    .map((at) => whole.slice(0, at));
  return [...texts, ...cut].map((raw) => ({
    kind: 'framing',
    what: raw.slice(0, 120),
    raw: raw.includes('TOKEN') ? raw : Buffer.from(raw, 'latin1'),
  }));
}
