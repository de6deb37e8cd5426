/** `callJob` against servers that others could have written: tasks of both revisions, a held wait. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { getRequestListener } from '@hono/node-server';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import {
  InMemoryTaskStore,
  type CreateTaskOptions,
} from '@modelcontextprotocol/sdk/experimental/tasks';
import { McpServer as OldServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { createMcpHandler, McpServer, type ServerContext } from '@modelcontextprotocol/server';
import { z } from 'zod';
import { callJob, resumeJob, type JobProgress } from '../client.ts';

const info = { name: 'test', version: '1' };
const INPUT = z.object({ loaves: z.int() });
const OUTPUT = z.object({ loaves: z.int() });
const bake = { name: 'bake', input: INPUT, output: OUTPUT };

async function listening(t: TestContext, listener: RequestListener): Promise<URL> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`);
}

async function connected(t: TestContext, url: URL, mode: 'auto' | 'legacy'): Promise<Client> {
  const client = new Client(info, { versionNegotiation: { mode } });
  await client.connect(new StreamableHTTPClientTransport(url));
  t.after(() => client.close());
  return client;
}

interface Asked {
  readonly methods: string[];
  cancelled: boolean;
}

/** A server of 2026-07-28 with tasks alone, whose task ends after three looks. */
async function withTasks2026(t: TestContext, result: object): Promise<{ url: URL; asked: Asked }> {
  const asked: Asked = { methods: [], cancelled: false };
  const at = new Date().toISOString();
  const about = {
    taskId: 't1',
    createdAt: at,
    lastUpdatedAt: at,
    ttlMs: null,
    pollIntervalMs: 100,
  };
  const anything = { params: z.looseObject({}) };
  let looks = 0;
  const mustDeclare = ({ mcpReq }: ServerContext): void => {
    const envelope = mcpReq.envelope as Record<string, { extensions?: object }> | undefined;
    const declared = envelope?.['io.modelcontextprotocol/clientCapabilities']?.extensions ?? {};
    if (!('io.modelcontextprotocol/tasks' in declared)) throw new Error('undeclared');
  };
  const handler = createMcpHandler(() => {
    const mcp = new McpServer(info, { capabilities: { tools: {} } });
    const config = { description: 'Bakes.', inputSchema: INPUT };
    mcp.registerTool('bake', config, (_, context) => {
      mustDeclare(context);
      return { resultType: 'task', status: 'working', ...about } as never;
    });
    mcp.server.setRequestHandler('tasks/get', anything, (_, context) => {
      mustDeclare(context);
      asked.methods.push('tasks/get');
      looks += 1;
      if (looks < 3) return { status: 'working', statusMessage: `look ${looks}`, ...about };
      return { status: 'completed', result: { resultType: 'complete', ...result }, ...about };
    });
    mcp.server.setRequestHandler('tasks/cancel', anything, () => {
      asked.cancelled = true;
      return {};
    });
    mcp.server.registerCapabilities({ extensions: { 'io.modelcontextprotocol/tasks': {} } });
    return mcp;
  });
  const listener = getRequestListener((request) => handler.fetch(request));
  const url = await listening(t, (incoming, outgoing) => void listener(incoming, outgoing));
  return { url, asked };
}

test('a server with tasks of 2026-07-28 alone is waited for, and its progress told', async (t) => {
  const { url } = await withTasks2026(t, { content: [], structuredContent: { loaves: 2 } });
  const told: (string | null)[] = [];
  const onProgress = ({ message }: JobProgress) => void told.push(message);
  const client = await connected(t, url, 'auto');
  const baked: { loaves: number } = await callJob(client, bake, { loaves: 2 }, { onProgress });
  assert.deepEqual(baked, { loaves: 2 });
  assert.deepEqual(told, ['look 1', 'look 2']);
  assert.deepEqual(await resumeJob(await connected(t, url, 'auto'), 't1'), { loaves: 2 });
});

test('a task that ends in an error of its tool is thrown with what the tool said', async (t) => {
  const content = [{ type: 'text', text: 'The oven is cold.' }];
  const { url } = await withTasks2026(t, { content, isError: true });
  const calling = callJob(await connected(t, url, 'auto'), bake, { loaves: 2 });
  await assert.rejects(calling, { code: 'TOOL_ERROR', message: 'The oven is cold.' });
});

test('an abort that is to cancel cancels the task, and is what the caller reads', async (t) => {
  const { url, asked } = await withTasks2026(t, { content: [] });
  const controller = new AbortController();
  const calling = callJob(
    await connected(t, url, 'auto'),
    bake,
    { loaves: 2 },
    {
      signal: controller.signal,
      cancelOnAbort: true,
      onSubmit: () => controller.abort(new Error('enough')),
    },
  );
  await assert.rejects(calling, /enough/);
  assert.ok(asked.cancelled);
});

/** A server on the v1 SDK with its own store of tasks. */
async function withTasks2025(t: TestContext): Promise<URL> {
  const taskStore = new InMemoryTaskStore();
  t.after(() => taskStore.cleanup());
  const tasks = { requests: { tools: { call: {} } }, cancel: {} };
  const server = new OldServer(info, { capabilities: { tasks }, taskStore });
  server.experimental.tasks.registerToolTask(
    'bake',
    { description: 'Bakes.', inputSchema: INPUT.shape },
    {
      createTask: async ({ loaves }, { taskStore: store, taskRequestedTtl }) => {
        const options: CreateTaskOptions = { ttl: taskRequestedTtl ?? null, pollInterval: 100 };
        const task = await store.createTask(options);
        setTimeout(() => {
          const result = { content: [{ type: 'text' as const, text: `${loaves} loaves` }] };
          void store.storeTaskResult(task.taskId, 'completed', result);
        }, 250);
        return { task };
      },
      getTask: async (_, { taskId, taskStore: store }) => store.getTask(taskId),
      getTaskResult: async (_, { taskId, taskStore: store }) =>
        (await store.getTaskResult(taskId)) as never,
    },
  );
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: () => 'one' });
  await server.connect(transport);
  t.after(() => server.close());
  return listening(t, (incoming, outgoing) => void transport.handleRequest(incoming, outgoing));
}

test('a server with tasks of 2025-11-25 is waited for', async (t) => {
  const client = await connected(t, await withTasks2025(t), 'legacy');
  const states: string[] = [];
  const onStatus = ({ status }: { readonly status: string }) => void states.push(status);
  const baked = await callJob(client, 'bake', { loaves: 3 }, { onStatus });
  assert.equal(baked, '3 loaves');
  assert.deepEqual([states[0], states.at(-1)], ['running', 'completed']);
});

/** A server whose get_job_status holds the question, and whose tool takes a key. */
async function withWait(t: TestContext): Promise<{ url: URL; calls: Record<string, unknown>[] }> {
  const calls: Record<string, unknown>[] = [];
  const job = (data: object) => ({ content: [], structuredContent: { data } });
  let last: ServerResponse | null = null;
  const handler = createMcpHandler(() => {
    const mcp = new McpServer(info);
    const input = INPUT.extend({ idempotency_key: z.string().optional() });
    mcp.registerTool('bake', { description: 'Bakes.', inputSchema: input }, (args) => {
      calls.push(args);
      // The first answer never comes, as from a server that was killed.
      if (calls.length === 1) last?.destroy();
      return job({ job_id: 'mjb_1', status: 'queued', poll_after_ms: 1_000 });
    });
    const status = z.object({ job_id: z.string(), wait_seconds: z.int().max(20).optional() });
    const config = { description: 'Tells.', inputSchema: status };
    mcp.registerTool('get_job_status', config, async (args) => {
      calls.push(args);
      await new Promise((resolve) =>
        setTimeout(resolve, args.wait_seconds === undefined ? 0 : 700),
      );
      const result_url = new URL('/result', url).href;
      if (calls.length < 5)
        return job({ job_id: 'mjb_1', status: 'running', progress: { done: 1, total: 4 } });
      return job({ job_id: 'mjb_1', status: 'completed', result: null, result_url });
    });
    return mcp;
  });
  const listener = getRequestListener(async (request) => {
    if (!request.url.endsWith('/result')) return handler.fetch(request);
    const isKnown = request.headers.get('authorization') === 'Bearer s3cret';
    return isKnown ? Response.json({ loaves: 9 }) : new Response(null, { status: 401 });
  });
  const url = await listening(t, (incoming, outgoing) => {
    last = outgoing;
    void listener(incoming, outgoing);
  });
  return { url, calls };
}

test('a server that holds the question is asked to, a lost answer is asked for again under the same key, and a linked result is fetched', async (t) => {
  const { url, calls } = await withWait(t);
  const client = await connected(t, url, 'auto');
  const told: JobProgress[] = [];
  const baked = await callJob(
    client,
    bake,
    { loaves: 9 },
    {
      requestTimeoutMs: 8_000,
      token: 's3cret',
      onProgress: (one) => told.push(one),
    },
  );
  assert.deepEqual(baked, { loaves: 9 });
  assert.deepEqual(
    told.map(({ percent }) => percent),
    [25],
  );
  const [first, second, ...looks] = calls;
  assert.match(String(first?.['idempotency_key']), /^key_/);
  assert.deepEqual(first, second);
  // One second for who wants to be told of changes, then as long as the answer may take.
  assert.deepEqual(
    looks.map((look) => look['wait_seconds']),
    [1, 3, 3],
  );
});

test('a linked result that may not be fetched leaves the id and the address to try again', async (t) => {
  const { url, calls } = await withWait(t);
  calls.push({}, {}, {}, {}, {});
  const waiting = resumeJob(await connected(t, url, 'auto'), 'mjb_1');
  await assert.rejects(waiting, { code: 'RESULT_UNREACHABLE' });
});
