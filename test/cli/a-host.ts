/** A host for one test, which starts `stdio` itself: by the SDK's client, or line by line. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { processesOf } from '../../scripts/cli-process.ts';
import type { Ending } from '../support/temp.ts';
import { JOBS } from './a-server.ts';

export const BIN = fileURLToPath(new URL('../../bin/mcp-async-jobs.js', import.meta.url));
export const info = { name: 'test', version: '1.0.0' };

export const argsFor = (db: string, ...more: readonly string[]): string[] => [
  BIN,
  'stdio',
  '--db',
  db,
  '--log-level',
  'warn',
  ...(more.includes('--jobs') ? more : ['--jobs', JOBS, ...more]),
];

export async function connected(
  t: Ending,
  args: readonly string[],
  options: { mode?: 'auto' | 'legacy'; env?: Record<string, string> } = {},
): Promise<Client> {
  const client = new Client(info, { versionNegotiation: { mode: options.mode ?? 'auto' } });
  const command = { command: process.execPath, args: [...args], env: options.env ?? {} };
  await client.connect(new StdioClientTransport(command));
  t.after(() => client.close());
  return client;
}

export interface Host {
  readonly child: ChildProcess;
  /** Everything that came on stdout, line by line. */
  readonly lines: string[];
  readonly send: (message: object) => void;
}

export function host(
  t: Ending,
  args: readonly string[],
  stderr: 'inherit' | 'pipe' = 'inherit',
): Host {
  const child = spawn(process.execPath, args, {
    stdio: ['pipe', 'pipe', stderr],
    detached: true,
  });
  t.after(() => {
    if (child.pid !== undefined && processesOf(child.pid).length > 0) {
      process.kill(-child.pid, 'SIGKILL');
    }
  });
  const lines: string[] = [];
  const { stdin, stdout } = child;
  if (stdin === null || stdout === null) throw new Error('the host has no pipes');
  createInterface({ input: stdout }).on('line', (line) => lines.push(line));
  return {
    child,
    lines,
    send: (message) => void stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`),
  };
}

export const initialize = {
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: info },
};
