/** A server for one test, started by the command line itself and gone when the test is. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cli, running, type Ended, type Running } from '../../scripts/cli-process.ts';
import { tempFolder, type Ending } from '../support/temp.ts';

export const JOBS = fileURLToPath(new URL('./jobs.fixture.ts', import.meta.url));

export interface ServerOfATest {
  readonly server: Running;
  readonly db: string;
  readonly token: string;
  /** Run a caller's command against it. */
  readonly call: (...args: readonly string[]) => Promise<Ended>;
}

/** Start a command that runs on; it is killed when the test ends. */
export async function started(
  t: Ending,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Running> {
  const process = await running(args, { env });
  t.after(async () => {
    await process.kill();
  });
  return process;
}

export async function aToken(db: string, ...more: readonly string[]): Promise<string> {
  const args = ['--db', db, '--team', 'Team', '--owner', 'ada', '--json', ...more];
  const abilities = more.includes('--ability') ? [] : ['--ability', '*'];
  const { code, stdout, stderr } = await cli(['token', 'create', ...args, ...abilities]);
  if (code !== 0) throw new Error(stderr);
  return (JSON.parse(stdout) as { readonly token: string }).token;
}

export async function aServer(t: Ending, ...args: readonly string[]): Promise<ServerOfATest> {
  const db = join(tempFolder(t), 'jobs.db');
  const token = await aToken(db);
  const common = ['start', '--db', db, '--port', '0', '--json', '--rate-limit', '0'];
  const server = await started(t, [...common, ...args]);
  const env = { MCP_ASYNC_JOBS_URL: server.url, MCP_ASYNC_JOBS_TOKEN: token };
  return { server, db, token, call: (...own) => cli(own, { env }) };
}

/** The one object on stdout. */
export function dataOf(ended: Ended): Record<string, unknown> {
  if (ended.stdout === '') throw new Error(`No data; stderr: ${ended.stderr}`);
  return JSON.parse(ended.stdout) as Record<string, unknown>;
}

/** The envelope on stderr, which is its last line. */
export function errorOf({ stderr }: Ended): Record<string, unknown> {
  const line = stderr.trimEnd().split('\n').at(-1) ?? '';
  return (JSON.parse(line) as { readonly error: Record<string, unknown> }).error;
}
