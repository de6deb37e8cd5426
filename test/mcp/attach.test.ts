/** Job tools on a server that somebody else wrote. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Client, InMemoryTransport } from '@modelcontextprotocol/client';
import { McpServer } from '@modelcontextprotocol/server';
import { z } from 'zod';
import type { Identify } from '../../src/http.ts';
import { attach } from '../../src/mcp.ts';
import { openStore } from '../../src/sqlite.ts';
import type { Store } from '../../src/store/store.ts';
import type { ErrorBody } from '../../src/job/errors.ts';
import * as jobs from '../http/jobs.ts';
import { until } from '../support/until.ts';

async function connected(
  t: TestContext,
  identify: Identify,
  through = (store: Store) => store,
): Promise<Client> {
  const folder = mkdtempSync(join(tmpdir(), 'mcp-async-jobs-'));
  const store = await openStore(join(folder, 'jobs.db'));
  const mcp = new McpServer({ name: 'own', version: '1.0.0' });
  const inputSchema = z.object({ name: z.string() });
  mcp.registerTool('greet', { inputSchema }, ({ name }) => ({
    content: [{ type: 'text', text: `Hello, ${name}!` }],
  }));
  attach(mcp, { jobs, store: through(store), identify });
  const client = new Client({ name: 'test', version: '1.0.0' });
  const [near, far] = InMemoryTransport.createLinkedPair();
  await mcp.connect(far);
  await client.connect(near);
  t.after(async () => {
    await client.close();
    await mcp.close();
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return client;
}

const anybody: Identify = (request) => {
  assert.equal(request, null, 'there is no HTTP request here');
  return { team: 'a', owner: 'a', abilities: ['*'] };
};

test('attach puts job tools beside the tools that are there', async (t) => {
  const client = await connected(t, anybody);
  const { tools } = await client.listTools();
  assert.deepEqual(
    tools.map(({ name }) => name),
    [
      'greet',
      'add',
      'prepared',
      'refuse',
      'sleep',
      'get_job_status',
      'list_jobs',
      'cancel_job',
      'answer_job',
    ],
  );
  const submitted = await client.callTool({ name: 'add', arguments: { a: 1, b: 2 } });
  const { data } = submitted.structuredContent as { data: { job_id: string } };
  const status = await client.callTool({
    name: 'get_job_status',
    arguments: { job_id: data.job_id },
  });
  assert.match(JSON.stringify(status.structuredContent), /"status":"queued"/);
});

test('attach leaves the answers of the other tools to the SDK', async (t) => {
  const client = await connected(t, anybody);
  const greeting = await client.callTool({ name: 'greet', arguments: { name: 'you' } });
  assert.deepEqual(greeting.content, [{ type: 'text', text: 'Hello, you!' }]);
  const refusal = await client.callTool({ name: 'greet', arguments: {} });
  assert.match(JSON.stringify(refusal.content), /Input validation error/);
});

test('attach answers a caller whom identify does not know with the standard envelope', async (t) => {
  const client = await connected(t, () => null);
  const answer = await client.callTool({ name: 'list_jobs', arguments: {} });
  assert.equal(answer.isError, true);
  assert.match(JSON.stringify(answer.structuredContent), /AUTHENTICATION_REQUIRED/);
});

test('a submission that takes too long says that it may have been done, as a read does not', async (t) => {
  const released = Promise.withResolvers<void>();
  const held = new Set(['insert', 'insertOnce', 'list']);
  let waiting = 0;
  const slow = (store: Store) =>
    new Proxy(store, {
      get(_, name) {
        const found: unknown = Reflect.get(store, name);
        if (typeof found !== 'function') return found;
        if (!held.has(String(name))) return found.bind(store);
        return async (...given: unknown[]) => {
          waiting += 1;
          await released.promise;
          return found.apply(store, given) as unknown;
        };
      },
    });
  const client = await connected(t, anybody, slow);
  const calls = [
    { name: 'add', arguments: { a: 1, b: 2 } },
    { name: 'add', arguments: { a: 1, b: 2, idempotency_key: 'k' } },
    { name: 'list_jobs', arguments: {} },
  ].map((call) => client.callTool(call));
  await until('each waits for the store', () => waiting === calls.length);
  // Half a minute later.
  const monotonic = process.hrtime.bigint.bind(process.hrtime);
  t.mock.method(process.hrtime, 'bigint', () => monotonic() + 29_000_000_000n);
  const errors = (await Promise.all(calls)).map(
    ({ structuredContent }) => (structuredContent as { error: ErrorBody }).error,
  );
  assert.deepEqual(
    errors.map(({ code }) => code),
    ['STORE_UNKNOWN', 'STORE_UNKNOWN', 'TIMEOUT'],
  );
  assert.match(errors[0]?.message ?? '', /"add" took longer than 28 s; .* not known/);
  assert.match(errors[0]?.remediation ?? '', /list_jobs.* idempotency key may be sent again/);
  released.resolve();
  await until('both were done all the same', async () => {
    const { structuredContent } = await client.callTool({ name: 'list_jobs', arguments: {} });
    return (structuredContent as { data: unknown[] }).data.length === 2;
  });
  const again = await client.callTool({
    name: 'add',
    arguments: { a: 1, b: 2, idempotency_key: 'k' },
  });
  assert.match(JSON.stringify(again.structuredContent), /"replayed":true/);
});

test('attach shows a caller whom identify does not know no resource either', async (t) => {
  const client = await connected(t, () => null);
  for (const uri of ['enums/ability', 'enums/error-code', 'jobs/mjb_1/result']) {
    const read = client.readResource({ uri: `mcp-async-jobs://${uri}` });
    await assert.rejects(read, Error, uri);
  }
});
