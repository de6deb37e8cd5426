/** Who gets through the door: Host and Origin, guessed tokens, revoked ones, floods. */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { test } from 'node:test';
import { served } from '../access-codes/served.ts';
import { tokens } from '../../src/http.ts';
import { cli } from '../../scripts/cli-process.ts';
import { aServer, started } from '../cli/a-server.ts';
import { until } from '../support/until.ts';

const LIST = '{"jsonrpc":"2.0","id":1,"method":"tools/list"}';

async function ask(url: string, headers: Readonly<Record<string, string>>): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const usual = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
  };
  const asked = request(url, { method: 'POST', headers: { ...usual, ...headers } }, (response) => {
    response.resume();
    response.once('end', () => resolve(response.statusCode ?? 0));
  });
  asked.once('error', reject).end(LIST);
  return promise;
}

/** [value, whether it is answered] */
const HOSTS: readonly (readonly [string, boolean])[] = [
  ['localhost', true],
  ['localhost:3000', true],
  ['LOCALHOST', true],
  ['127.0.0.1', true],
  ['127.0.0.1:9', true],
  ['[::1]', true],
  ['[::1]:80', true],
  ['jobs.internal', true],
  ['Jobs.Internal:443', true],
  ['api.example.com', true],
  ['evil.example', false],
  ['localhost.evil.example', false],
  ['evil.localhost', false],
  ['127.0.0.1.evil.example', false],
  ['jobs.internal.evil.example', false],
  ['xjobs.internal', false],
  ['0.0.0.0', false],
  ['10.0.0.7', false],
  ['169.254.169.254', false],
  ['[::]', false],
  ['[::ffff:10.0.0.7]', false],
  ['localhost@evil.example', false],
  ['evil.example@localhost', false],
  ['localhost/evil', false],
  ['localhost:80:80', false],
  ['localhost:x', false],
  ['local\tost', false],
  ['localhost,evil.example', false],
  ['*', false],
  ['null', false],
  ['127.1.evil.example', false],
];
const ORIGINS: readonly (readonly [string, boolean])[] = [
  ['http://localhost', true],
  ['http://localhost:5173', true],
  ['https://127.0.0.1:8443', true],
  ['http://[::1]:3000', true],
  ['https://app.example.com', true],
  ['https://jobs.internal', true],
  ['https://api.example.com', true],
  ['null', false],
  ['', false],
  ['https://evil.example', false],
  ['http://app.example.com', false],
  ['https://app.example.com:444', false],
  ['https://app.example.com.evil.example', false],
  ['https://evil.app.example.com', false],
  ['https://localhost.evil.example', false],
  ['http://evil.localhost', false],
  ['file://', false],
  ['file://localhost', false],
  ['chrome-extension://localhost', false],
  ['http://localhost@evil.example', false],
  ['http://evil.example@localhost', false],
  ['http://localhost/evil', false],
  ['http://localhost#evil', false],
  ['//localhost', false],
  ['localhost', false],
  ['javascript:alert(1)', false],
  ['http://localhost, https://evil.example', false],
  ['http://localhost http://evil.example', false],
  ['*', false],
  ['undefined', false],
  ['ws://localhost', false],
  ['http://0.0.0.0', false],
];

test('Host and Origin are answered as they should be, each alone and in all 992 combinations', async (t) => {
  const server = await served(
    {},
    {
      publicUrl: 'https://api.example.com',
      allowHosts: ['jobs.internal'],
      allowOrigins: ['https://app.example.com'],
    },
  );
  t.after(() => server.close());
  const authorization = `Bearer ${await server.token()}`;
  assert.equal(HOSTS.length * ORIGINS.length, 992);
  for (const [host, isKnown] of HOSTS) {
    const status = await ask(server.url, { host, authorization });
    assert.equal(status, isKnown ? 200 : 403, `Host ${JSON.stringify(host)}`);
  }
  for (const [host, isHostKnown] of HOSTS) {
    for (const [origin, isOriginKnown] of ORIGINS) {
      const status = await ask(server.url, { host, origin, authorization });
      const expected = isHostKnown && isOriginKnown ? 200 : 403;
      assert.equal(
        status,
        expected,
        `Host ${JSON.stringify(host)}, Origin ${JSON.stringify(origin)}`,
      );
    }
  }
  for (const [origin, isKnown] of ORIGINS) {
    const status = await ask(server.url, { origin, authorization });
    assert.equal(status, isKnown ? 200 : 403, `Origin ${JSON.stringify(origin)}`);
    // The door is the same for the routes beside /mcp.
    const page = await fetch(new URL('/batches/x.csv', server.url), {
      headers: { origin, authorization },
    });
    assert.equal(page.status, isKnown ? 404 : 403, `page, Origin ${JSON.stringify(origin)}`);
  }
});

test('no token that is altered by one character, random or of the other environment gets in', async (t) => {
  const server = await served();
  t.after(() => server.close());
  const token = await server.token();
  const other = await server.token({ environment: 'test' });
  const identify = tokens(server.store);
  const who = async (text: string) =>
    identify(new Request('http://localhost/mcp', { headers: { authorization: `Bearer ${text}` } }));
  assert.notEqual(await who(token), null);
  const letters = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-';
  let tried = 0;
  for (let at = 0; at < token.length; at += 1) {
    for (const letter of letters.split('').concat('')) {
      const guess = token.slice(0, at) + letter + token.slice(at + 1);
      if (guess === token) continue;
      tried += 1;
      assert.equal(await who(guess), null, `position ${at}`);
    }
  }
  for (const guess of [
    other,
    other.replace('test', 'live'),
    token.replace('live', 'test'),
    token.toUpperCase(),
    token + token,
  ]) {
    assert.equal(await who(guess), null);
  }
  t.diagnostic(`${tried} altered tokens`);
  assert.ok(tried > 3_000);
});

test(
  'a revoked token is refused within a second by two servers on one file, and what waited is ended',
  { timeout: 120_000 },
  async (t) => {
    const first = await aServer(t, '--workers', '0');
    const second = await started(t, [
      'start',
      '--db',
      first.db,
      '--port',
      '0',
      '--json',
      '--rate-limit',
      '0',
      '--workers',
      '0',
    ]);
    const urls = [first.server.url, second.url];
    const authorization = `Bearer ${first.token}`;
    for (const url of urls) assert.equal(await ask(url, { authorization }), 200);

    const plan = await planAt(first.server.url, first.token);
    const submitted = await tool(first.server.url, first.token, 'bulk_generate_access_codes', {
      plan_id: plan,
      quantity: 1,
      export_type: 'file',
      expiry_preset: 'no_expiry',
    });
    const waits = urls.map(async (url) => {
      const answer = await tool(url, first.token, 'get_job_status', {
        job_id: submitted.data.job_id,
        wait_seconds: 25,
      });
      return { answer, at: Date.now() };
    });
    const streams = await Promise.all(
      urls.map((url) => listening(url, first.token, String(submitted.data.job_id))),
    );
    await new Promise((resolve) => setTimeout(resolve, 300));

    const id = first.token.split('_')[2] ?? '';
    const revokedAt = Date.now();
    const { code } = await cli(['token', 'revoke', id, '--db', first.db]);
    assert.equal(code, 0);
    const doneAt = Date.now();
    for (const url of urls) {
      await until('the token is refused', async () => (await ask(url, { authorization })) === 401, {
        ms: 1_000,
      });
    }
    t.diagnostic(`refused ${Date.now() - doneAt} ms after the command had ended`);
    for (const { ended } of streams) {
      const endedAt = await ended;
      t.diagnostic(`a stream ended ${endedAt - doneAt} ms after the command had ended`);
      assert.ok(endedAt - doneAt < 1_500, `${endedAt - doneAt} ms`);
    }
    for (const wait of waits) {
      const { answer, at } = await wait;
      assert.equal(answer.error?.code, 'AUTHENTICATION_REQUIRED', JSON.stringify(answer));
      t.diagnostic(`a wait ended ${at - revokedAt} ms after the revocation began`);
    }
  },
);

test('a flood of bad tokens leaves valid ones unharmed', async (t) => {
  const server = await served({}, { rateLimit: 1_000 });
  t.after(() => server.close());
  const authorization = `Bearer ${await server.token()}`;
  assert.equal(await ask(server.url, { authorization }), 200);
  const flood = Array.from({ length: 1_000 }, (_, i) =>
    ask(server.url, {
      authorization: `Bearer mpt_live_${String(i).padStart(12, '0')}_${'x'.repeat(38)}`,
    }),
  );
  const own = await Promise.all(
    Array.from({ length: 50 }, () => ask(server.url, { authorization })),
  );
  assert.deepEqual(new Set(own), new Set([200]));
  const refused = await Promise.all(flood);
  assert.deepEqual(
    [...new Set(refused)].toSorted((a, b) => a - b),
    [401, 429],
  );
  assert.ok(refused.filter((status) => status === 401).length <= 40);
});

// What comes back is asserted on, field by field.
// oxlint-disable-next-line typescript/no-explicit-any
async function tool(url: string, token: string, name: string, args: object): Promise<any> {
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name, arguments: args },
    }),
  });
  const text = await response.text();
  const [, data = text] = [...text.matchAll(/^data: (\{.*"id":1.*)$/gm)].at(-1) ?? [];
  const message = JSON.parse(data) as {
    readonly result?: { readonly structuredContent: unknown };
    readonly error?: unknown;
  };
  return message.result?.structuredContent ?? message;
}

/** Listen to a task. @returns once it listens, what resolves when the server ends the stream */
async function listening(
  url: string,
  token: string,
  taskId: string,
): Promise<{ readonly ended: Promise<number> }> {
  const name = 'io.modelcontextprotocol/';
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'subscriptions/listen',
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'subscriptions/listen',
      params: {
        notifications: { taskIds: [taskId] },
        _meta: {
          [`${name}protocolVersion`]: '2026-07-28',
          [`${name}clientInfo`]: { name: 'x', version: '1' },
          [`${name}clientCapabilities`]: { extensions: { [`${name}tasks`]: {} } },
        },
      },
    }),
  });
  assert.match(response.headers.get('content-type') ?? '', /event-stream/);
  const ended = response.text().then(
    () => Date.now(),
    () => Date.now(),
  );
  return { ended };
}

async function planAt(url: string, token: string): Promise<string> {
  const project = await tool(url, token, 'create_project', { name: 'Club' });
  const plan = await tool(url, token, 'create_plan', {
    project_id: project.data.id,
    name: 'Golden',
    price: '1.00',
    currency: 'USD',
    billing_cycle: 'days',
  });
  return String(plan.data.id);
}
