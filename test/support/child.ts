/**
 * Scripts in processes of their own, that say in lines of JSON on stdout what they do, and that a
 * test stops, wakes and kills by real signals.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Ending } from './temp.ts';
import { until } from './until.ts';

/** Scripts start in half the time when the source was compiled before. */
const COMPILED = fileURLToPath(new URL('../../build/compile-cache', import.meta.url));

type Said = Readonly<Record<string, unknown>>;

export interface Script {
  readonly pid: number;
  readonly process: ChildProcess;
  /** Everything that it has said so far. */
  readonly lines: readonly Said[];
  /** What it wrote to stderr. */
  stderr(): string;
  /** Wait for the first line whose `event` is this. */
  said(event: string, ms?: number): Promise<Said>;
  send(message: object): void;
  kill(signal: NodeJS.Signals): void;
  /** Exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals | null>;
}

export interface StartOptions {
  /** A command, and its arguments, that starts the script in its own place, such as a tracer. */
  readonly through?: readonly string[];
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Start `script` (a URL) with one argument of JSON; it is killed after the test at the latest. */
export function startScript(
  t: Ending,
  script: URL,
  argument: unknown = {},
  { through = [], env = {} }: StartOptions = {},
): Script {
  const words = [
    ...through,
    process.execPath,
    '--conditions=mcp-async-jobs-source',
    fileURLToPath(script),
    JSON.stringify(argument),
  ];
  const child = spawn(words[0] ?? '', words.slice(1), {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: { NODE_COMPILE_CACHE: COMPILED, ...process.env, ...env },
  });
  const lines: Said[] = [];
  let stderr = '';
  const { stdout, stderr: errors } = child;
  if (stdout) {
    createInterface({ input: stdout }).on('line', (line) => lines.push(JSON.parse(line) as Said));
  }
  errors?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const ended = once(child, 'exit').then(
    ([code, signal]) => (signal ?? code) as number | NodeJS.Signals | null,
  );
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return {
    pid: child.pid ?? 0,
    process: child,
    lines,
    stderr: () => stderr,
    async said(event, ms = 10_000) {
      return until(
        `${event} was said`,
        () => {
          const found = lines.find((line) => line['event'] === event);
          const end = child.exitCode ?? child.signalCode;
          if (!found && end !== null)
            throw new Error(`the script ended (${end}) before it said ${event}: ${stderr}`);
          return found;
        },
        { ms },
      );
    },
    send: (message) => void child.send(message, () => {}),
    kill: (signal) => void child.kill(signal),
    ended,
  };
}

/** Whether a process runs; one that has ended but was not waited for does not. */
export function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return !['Z', 'X'].includes(stat.slice(stat.lastIndexOf(')') + 2)[0] ?? 'Z');
  } catch {
    return false;
  }
}

/** The processes that it started and that are still there; of one that is gone, none. */
export function childrenOf(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
    return text.trim().split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}
