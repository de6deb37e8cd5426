/** The product as people start it: the command line, in processes of its own. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const COMMAND = [
  '--conditions=mcp-async-jobs-source',
  fileURLToPath(new URL('../bin/mcp-async-jobs.js', import.meta.url)),
];

export interface Product {
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** Make a token with every ability. */
export function createToken(db: string): string {
  const args = ['token', 'create', '--db', db, '--team', 'Bench', '--owner', 'Bench'];
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [...COMMAND, ...args, '--ability', '*', '--json'],
    { encoding: 'utf8', timeout: 30_000 },
  );
  if (stdout === '') throw new Error(`No token was made: ${stderr}`);
  return (JSON.parse(stdout) as { token: string }).token;
}

/** Resolves as soon as the server says that it listens. */
export async function startProduct(db: string, more: readonly string[] = []): Promise<Product> {
  const args = ['start', '--db', db, '--port', '0', '--json', '--log-level', 'warn', ...more];
  const child = spawn(process.execPath, [...COMMAND, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const end = () => child.kill('SIGKILL');
  process.once('exit', end);
  const line = await Promise.race([
    once(createInterface({ input: child.stdout }), 'line').then(([first]) => first as string),
    once(child, 'exit').then(([code]) => {
      throw new Error(`The server ended with ${String(code)} before it listened.`);
    }),
  ]);
  const { url } = JSON.parse(line) as { url: string };
  return {
    url,
    pid: child.pid ?? 0,
    stop: async () => {
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      await gone;
      process.off('exit', end);
    },
  };
}

/** Call a tool, as a client of the 2025-11-25 revision does; its `data`. */
export async function callTool(url: string, token: string, name: string, args: object) {
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      Authorization: `Bearer ${token}`,
      Accept: 'application/json, text/event-stream',
      'Content-Type': 'application/json',
      'MCP-Protocol-Version': '2025-11-25',
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name, arguments: args },
    }),
  });
  const text = await response.text();
  const message = JSON.parse(/\{.*\}/s.exec(text)?.[0] ?? 'null') as {
    readonly result?: { readonly structuredContent?: { readonly data?: Record<string, unknown> } };
  } | null;
  const data = message?.result?.structuredContent?.data;
  if (data === undefined) throw new Error(`${name} was answered ${response.status}: ${text}`);
  return data;
}
