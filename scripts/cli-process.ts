/**
 * The product's own command line as child processes, for scripts and tests: a server that says
 * when it listens, the processes that belong to it, and proof that they are gone.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const BIN = fileURLToPath(new URL('../bin/mcp-async-jobs.js', import.meta.url));
const START_MS = 15_000;
const GONE_MS = 5_000;

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Longest run, in milliseconds; the process is killed then. Default 30,000. */
  readonly timeoutMs?: number;
  /** An open file that takes the log of a running command, in place of `log`. */
  readonly stderr?: number;
}

/** Run a command to its end. */
export async function cli(args: readonly string[], options: CliOptions = {}): Promise<Ended> {
  const child = spawn(process.execPath, [BIN, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: environment(options.env),
    timeout: options.timeoutMs ?? 30_000,
    killSignal: 'SIGKILL',
  });
  const [stdout, stderr, [code]] = await Promise.all([
    textOf(child.stdout),
    textOf(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  return { code, stdout, stderr };
}

/** A server or a worker command that runs on, with everything that it started. */
export interface Running {
  readonly pid: number;
  /** Its first line on stdout. */
  readonly event: Readonly<Record<string, unknown>>;
  readonly url: string;
  /** Everything that it wrote on stderr so far. */
  readonly log: () => string;
  /** Everything that it wrote on stdout so far, its first line too. */
  readonly output: () => string;
  /** End it and everything it started, at once and unasked. Resolves when all of them are gone. */
  kill(): Promise<readonly number[]>;
  /** Ask it to stop; resolves with its exit code. */
  stop(): Promise<number | null>;
}

/** Run a command that says on its first line, in JSON, that it is there. */
export async function running(args: readonly string[], options: CliOptions = {}): Promise<Running> {
  // A process group of its own, so that one signal reaches the server and its workers together.
  const child = spawn(process.execPath, [BIN, ...args], {
    stdio: ['ignore', 'pipe', options.stderr ?? 'pipe'],
    env: environment(options.env),
    detached: true,
  });
  const ended = once(child, 'close') as Promise<[number | null]>;
  let log = '';
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const pid = child.pid ?? 0;
  const event = await firstLine(child).catch(async (error: Error) => {
    await killGroup(pid);
    throw new Error(`${error.message}\n${log}`, { cause: error });
  });
  return {
    pid,
    event,
    url: String(event['url']),
    log: () => log,
    output: () => output,
    kill: () => killGroup(pid),
    async stop() {
      if (child.exitCode === null) child.kill('SIGTERM');
      const [code] = await ended;
      await gone(pid);
      return code;
    },
  };
}

async function firstLine(child: ChildProcess): Promise<Record<string, unknown>> {
  const lines = createInterface({ input: child.stdout ?? process.stdin });
  const late = AbortSignal.timeout(START_MS);
  try {
    const [line] = (await Promise.race([
      once(lines, 'line', { signal: late }),
      once(child, 'exit', { signal: late }).then(([code]) => {
        throw new Error(`The command ended with ${code} before its first line.`);
      }),
    ])) as [string];
    return JSON.parse(line) as Record<string, unknown>;
  } finally {
    lines.close();
    child.stdout?.resume();
  }
}

/** Living processes of a group. */
export function processesOf(group: number): number[] {
  const table =
    process.platform === 'linux'
      ? readdirSync('/proc')
          .filter((name) => /^\d+$/.test(name))
          .map(statOf)
      : execFileSync('ps', ['-A', '-o', 'pid=,pgid=,stat='])
          .toString()
          .split('\n')
          .map((line) => line.trim().split(/\s+/));
  return table
    .filter(([, of, state = '']) => Number(of) === group && !/^[ZX]/.test(state))
    .map(([pid]) => Number(pid));
}

/** pid, process group and state of a process; empty when it has just ended. */
function statOf(pid: string): string[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [state = '', , group = ''] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return [pid, group, state];
  } catch {
    return [];
  }
}

async function killGroup(group: number): Promise<readonly number[]> {
  const members = processesOf(group);
  try {
    if (group > 0) process.kill(-group, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
  await gone(group);
  return members;
}

async function gone(group: number): Promise<void> {
  for (let waited = 0; processesOf(group).length > 0; waited += 10) {
    if (waited > GONE_MS) throw new Error(`Processes ${processesOf(group).join(', ')} live on.`);
    await pause(10);
  }
}

/** Nothing of the product's own environment gets in from outside. */
function environment(own: CliOptions['env'] = {}): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('MCP_ASYNC_JOBS_') && name !== 'DATABASE_URL',
  );
  return { ...Object.fromEntries(kept), ...own };
}

async function textOf(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
