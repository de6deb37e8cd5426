import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { definitionsOf } from 'mcp-async-jobs';
import { jobTools } from 'mcp-async-jobs/mcp';
import { openStore } from 'mcp-async-jobs/sqlite';
import { startSweeper, supervise } from 'mcp-async-jobs/worker';
import { z } from 'zod';
import * as jobs from './jobs.ts';

const log = { debug() {}, info() {}, warn: console.error, error: console.error };
const store = await openStore('./v1.db');
const identify = () => ({ team: 'local', owner: 'local', abilities: ['*'] });

// A server on the v1 SDK that has tools of its own already.
const server = new McpServer({ name: 'words', version: '1.0.0' });
server.registerTool('hello', { description: 'Says hello.' }, () => ({
  content: [{ type: 'text', text: 'Hello.' }],
}));

// `attach` is for servers on the SDK v2; `jobTools` gives the same tools to any other.
for (const { name, description, inputSchema, handler } of jobTools({ jobs, store, identify })) {
  const schema = z.fromJSONSchema(inputSchema);
  server.registerTool(name, { description, inputSchema: schema }, handler);
}

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
// The host has gone: what runs is handed back, and goes on with the next start.
async function stop(): Promise<void> {
  await workers.stop(0);
  await stopSweeper();
  await store.close();
}
process.stdin.once('end', () => void stop());
await server.connect(new StdioServerTransport());
