/** Clients that others wrote, through a kill -9 of server and workers. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as OldTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

interface Job {
  readonly job_id: string;
  readonly status: string;
  readonly result: unknown;
}

interface Caller {
  call(name: string, args: Record<string, unknown>): Promise<{ readonly data: Job }>;
  close(): Promise<void>;
}

const info = { name: 'test', version: '1.0.0' };

async function v2(url: URL, mode: 'auto' | 'legacy' | { pin: '2026-07-28' }): Promise<Caller> {
  const client = new Client(info, { versionNegotiation: { mode } });
  await client.connect(new StreamableHTTPClientTransport(url));
  return {
    call: async (name, args) =>
      (await client.callTool({ name, arguments: args })).structuredContent as never,
    close: () => client.close(),
  };
}

async function v1(url: URL): Promise<Caller> {
  const client = new OldClient(info);
  await client.connect(new OldTransport(url));
  return {
    call: async (name, args) =>
      (await client.callTool({ name, arguments: args })).structuredContent as never,
    close: () => client.close(),
  };
}

const CLIENTS: Readonly<Record<string, (url: URL) => Promise<Caller>>> = {
  'the v1 SDK client': v1,
  'the v2 SDK client, 2025 era': (url) => v2(url, 'legacy'),
  'the v2 SDK client, as it negotiates by itself': (url) => v2(url, 'auto'),
  'the v2 SDK client, 2026-07-28': (url) => v2(url, { pin: '2026-07-28' }),
};

async function start(db: string, port: number): Promise<{ child: ChildProcess; url: URL }> {
  const script = new URL('./server-process.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [script, db, String(port)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  return { child, url: new URL(line) };
}

for (const [title, connect] of Object.entries(CLIENTS)) {
  test(`${title} goes on polling after kill -9 and restart`, { timeout: 30_000 }, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'mcp-async-jobs-'));
    const db = join(folder, 'jobs.db');
    let server = await start(db, 0);
    const client = await connect(server.url);
    t.after(async () => {
      await client.close();
      server.child.kill('SIGTERM');
      await once(server.child, 'exit');
      rmSync(folder, { recursive: true, force: true });
    });
    const { data: submitted } = await client.call('sleep', { ms: 300 });
    server.child.kill('SIGKILL');
    await once(server.child, 'exit');
    server = await start(db, Number(server.url.port));
    for (;;) {
      const { data } = await client.call('get_job_status', { job_id: submitted.job_id });
      if (data.status === 'completed') {
        assert.deepEqual(data.result, { slept: true });
        break;
      }
      assert.match(data.status, /^(queued|running)$/);
      await new Promise((resolve) => {
        setTimeout(resolve, 50);
      });
    }
  });
}
