import { toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import express from 'express';
import { definitionsOf } from 'mcp-async-jobs';
import { attach } from 'mcp-async-jobs/mcp';
import { openStore } from 'mcp-async-jobs/sqlite';
import { startSweeper, supervise } from 'mcp-async-jobs/worker';
import { z } from 'zod';
import * as jobs from './jobs.ts';

const log = { debug() {}, info() {}, warn: console.error, error: console.error };
const store = await openStore('./express.db');

// Your application knows who asks; `null` refuses.
const identify = (request: Request | null) => {
  const user = request?.headers.get('x-user') ?? null;
  return user === null ? null : { team: 'acme', owner: user, abilities: ['*'] };
};

// The MCP server that you have: one line puts the job tools beside your own.
const mcpHandler = createMcpHandler(() => {
  const mcp = new McpServer({ name: 'reports', version: '1.0.0' });
  mcp.registerTool('hello', { inputSchema: z.object({}) }, () => ({
    content: [{ type: 'text', text: 'Hello.' }],
  }));
  attach(mcp, { jobs, store, identify });
  return mcp;
});

const app = express();
app.get('/', (_, response) => void response.send('The application that was here before.'));
app.use(express.json());
const mcpListener = toNodeHandler(mcpHandler);
app.all('/mcp', (request, response) => void mcpListener(request, response, request.body));

// Somebody has to do the work: one worker process, and a sweep for what has died.
const workers = supervise({
  store,
  jobs: new URL('./jobs.ts', import.meta.url),
  definitions: definitionsOf(jobs),
  settings: null,
  workers: 1,
  concurrency: 1,
  leaseMs: 15_000,
  log,
});
const stopSweeper = startSweeper({ store, retentionMs: 30 * 86_400_000, log });

const server = app.listen(Number(process.env['PORT'] ?? 3000), '127.0.0.1', () => {
  const address = server.address();
  if (address !== null && typeof address === 'object') {
    console.log(`http://127.0.0.1:${address.port}/mcp`);
  }
});
async function stop(): Promise<void> {
  server.close();
  await workers.stop(5_000);
  await stopSweeper();
  await store.close();
}
process.once('SIGTERM', () => void stop());
