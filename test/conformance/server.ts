/**
 * The server that the conformance suite is run against: `serve` as any author calls it, with the
 * tools that the suite looks for. Says its address on stdout and ends with its stdin.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { local, serve } from '../../src/http.ts';
import { registerQuestions } from './input-required.ts';
import { registerPrompts, registerResources } from './readables.ts';
import { registerTools } from './tools.ts';

const folder = mkdtempSync(join(tmpdir(), 'mcp-async-jobs-conformance-'));
const serving = await serve({
  jobs: new URL('./jobs.ts', import.meta.url),
  db: join(folder, 'jobs.db'),
  identify: local(),
  port: 0,
  rateLimit: 0,
  concurrency: 50,
  sessionful: process.argv.includes('--sessionful'),
  tools: (mcp, context) => {
    mcp.server.registerCapabilities({
      tools: { listChanged: true },
      prompts: { listChanged: true },
      resources: { listChanged: true, subscribe: true },
      logging: {},
    });
    registerTools(mcp, context);
    registerQuestions(mcp);
    registerPrompts(mcp);
    registerResources(mcp);
    for (const method of ['resources/subscribe', 'resources/unsubscribe'] as const) {
      mcp.server.setRequestHandler(method, () => ({}));
    }
  },
});
process.stdout.write(`${serving.url}\n`);
process.stdin.resume().once('close', () => {
  void serving.close({ graceMs: 0 }).then(() => rmSync(folder, { recursive: true, force: true }));
});
