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
import * as jobs from '../http/jobs.ts';

async function connected(t: TestContext, identify: Identify): Promise<Client> {
  const folder = mkdtempSync(join(tmpdir(), 'mcp-async-jobs-'));
  const store = await openStore(join(folder, 'jobs.db'));
  const mcp = new McpServer({ name: 'own', version: '1.0.0' });
  const inputSchema = z.object({ name: z.string() });
  mcp.registerTool('greet', { inputSchema }, ({ name }) => ({
    content: [{ type: 'text', text: `Hello, ${name}!` }],
  }));
  attach(mcp, { jobs, store, identify });
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
