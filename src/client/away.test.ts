/** The client helper against real HTTP: a real SDK client, a real MCP server that comes and goes. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { getRequestListener } from '@hono/node-server';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { z } from 'zod';
import { callJob, resumeJob } from '../client.ts';

const JOB = 'mjb_01J00000000000000000000000';
const NO_INPUT = z.object({});
const STATUS_INPUT = z.object({ job_id: z.string() });

/** A server whose one job is completed once `polls` polls were answered. */
function aServer(polls: number): () => Promise<Server> {
  let left = polls;
  const job = (data: Record<string, unknown>) => ({
    content: [],
    structuredContent: { data: { job_id: JOB, poll_after_ms: 100, ...data } },
  });
  const handler = createMcpHandler(() => {
    const mcp = new McpServer({ name: 'away', version: '1' });
    mcp.registerTool('make', { description: 'Makes a job.', inputSchema: NO_INPUT }, () =>
      job({ status: 'queued' }),
    );
    mcp.registerTool(
      'get_job_status',
      { description: 'Tells of a job.', inputSchema: STATUS_INPUT },
      () => {
        left -= 1;
        return left > 0
          ? job({ status: 'running' })
          : job({ status: 'completed', result: { n: 1 } });
      },
    );
    return mcp;
  });
  const listener = getRequestListener((request) => handler.fetch(request));
  let port = 0;
  return async () => {
    const server = createServer((incoming, outgoing) => void listener(incoming, outgoing));
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    ({ port } = server.address() as AddressInfo);
    return server;
  };
}

async function stop(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => {
    server.close(resolve);
  });
}

async function connected(t: TestContext, server: Server): Promise<Client> {
  const { port } = server.address() as AddressInfo;
  const client = new Client(
    { name: 'test', version: '1' },
    { versionNegotiation: { mode: 'auto' } },
  );
  await client.connect(new StreamableHTTPClientTransport(new URL(`http://127.0.0.1:${port}/mcp`)));
  t.after(() => client.close());
  return client;
}

test('a job is waited for across a restart of the server', async (t) => {
  const start = aServer(6);
  let server = await start();
  t.after(() => stop(server));
  const client = await connected(t, server);
  const states: string[] = [];
  const result = callJob<{ n: number }>(
    client,
    'make',
    {},
    {
      onStatus: ({ status }) => states.push(status),
    },
  );
  while (states.length < 3) await new Promise((resolve) => setTimeout(resolve, 10));
  await stop(server);
  await new Promise((resolve) => setTimeout(resolve, 300));
  server = await start();
  assert.deepEqual(await result, { n: 1 });
});

test('a stored id is enough for another client', async (t) => {
  const server = await aServer(2)();
  t.after(() => stop(server));
  let stored = '';
  const reason = new Error('this process ends here');
  const controller = new AbortController();
  await assert.rejects(
    callJob(
      await connected(t, server),
      'make',
      {},
      {
        signal: controller.signal,
        onSubmit: (jobId) => {
          stored = jobId;
          controller.abort(reason);
        },
      },
    ),
    reason,
  );
  assert.deepEqual(await resumeJob(await connected(t, server), stored), { n: 1 });
});

test('an unknown tool is told by name', async (t) => {
  const server = await aServer(1)();
  t.after(() => stop(server));
  await assert.rejects(callJob(await connected(t, server), 'nope'), {
    code: 'PROTOCOL_ERROR',
    message: /nope/,
  });
});

test('a server that is not there is given up after the time that was allowed', async (t) => {
  const server = await aServer(1)();
  const client = await connected(t, server);
  await stop(server);
  await assert.rejects(resumeJob(client, JOB, { awayMs: 300 }), { code: 'SERVER_UNREACHABLE' });
});
