/** One fault in a process of its own, which ends with everything that it started, however it goes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Outcome } from '../test/faults/fault.ts';
import type { Engine } from '../test/faults/place.ts';

export interface Piece {
  readonly name: string;
  readonly engine: Engine;
  readonly seed: number;
  readonly count: number;
}

/** A fault that takes longer hangs. */
const FAULT_MS = 15 * 60_000;
/** What is left without its parent needs so long to see it, and to clean up. */
const LEAVES_MS = 2_000;

/** Each ends one piece that is under way. */
const underWay = new Set<() => Promise<void>>();
let isOver = false;

/** Do it, and give back what it told. */
export async function outcomeOf(script: string, piece: Piece): Promise<Outcome> {
  const { name, engine, seed, count } = piece;
  const folder = mkdtempSync(join(tmpdir(), 'mcp-async-jobs-faults-'));
  const numbers = ['--seed', String(seed), '--count', String(count)];
  const args = [script, name, '--inside', '--engine', engine, ...numbers];
  const child = spawn(process.execPath, [...process.execArgv, ...args], {
    // It is gone when the channel to us is.
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    // A group of its own: what it started is in it.
    detached: true,
    // PostgreSQL runs as a user who may not enter it, and cleans up after itself.
    env: { ...process.env, ...(engine === 'sqlite' && { TMPDIR: folder }) },
  });
  const closed = once(child, 'close') as Promise<[number | null]>;
  const end = async (): Promise<void> => {
    child.kill('SIGKILL');
    await pause(LEAVES_MS);
    endGroup(child.pid);
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  underWay.add(end);
  const hanging = setTimeout(() => void end(), FAULT_MS);
  let text = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const [code] = await closed;
  // What was cut off is no result.
  if (isOver) return new Promise(() => {});
  clearTimeout(hanging);
  if (code !== 0) await pause(LEAVES_MS);
  endGroup(child.pid);
  underWay.delete(end);
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  const last = text.trimEnd().split('\n').at(-1) ?? '';
  if (code === 0) return JSON.parse(last) as Outcome;
  return { runs: 0, counted: {}, violations: [`the fault could not be done: ended with ${code}`] };
}

function endGroup(leader: number | undefined): void {
  try {
    if (leader !== undefined) process.kill(-leader, 'SIGKILL');
  } catch {
    // Nothing of it is left.
  }
}

/** Whoever stops us means what we started as well. */
export function endAllOn(...signals: readonly ('SIGINT' | 'SIGTERM')[]): void {
  for (const signal of signals) {
    process.once(signal, () => {
      isOver = true;
      const code = signal === 'SIGINT' ? 130 : 143;
      void Promise.all([...underWay].map((end) => end())).finally(() => process.exit(code));
    });
  }
}
