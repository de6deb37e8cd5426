import { defineStatement } from 'mcp-async-jobs';
import { local, serve } from 'mcp-async-jobs/http';
import { z } from 'zod';
import { BANK } from './jobs.ts';

const listAccounts = defineStatement<Record<string, never>, { name: string; cents: number }>({
  name: 'list_accounts',
  sqlite: 'SELECT name, cents FROM accounts ORDER BY name',
});

const server = await serve({
  jobs: new URL('./jobs.ts', import.meta.url),
  db: './effects.db',
  migrations: [BANK],
  identify: local(),
  port: Number(process.env['PORT'] ?? 3000),
  // Synchronous tools are plain MCP, and read what the jobs have written.
  tools: (mcp, { store }) => {
    const config = { description: 'The accounts.', inputSchema: z.object({}) };
    mcp.registerTool('list_accounts', config, async () => {
      const data = await store.read(listAccounts, {});
      return { content: [{ type: 'text', text: JSON.stringify({ data }) }] };
    });
  },
});
console.log(server.url);
process.once('SIGTERM', () => void server.close());
