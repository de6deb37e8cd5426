/** Faults whose attackers live in test/hostile, run from here so that one report tells of all. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { hostileInput } from '../hostile/run.ts';
import type { Fault, FaultRun, Outcome } from './fault.ts';

/** Run a test file; what fails in it is a violation. */
function byTests(...files: readonly string[]) {
  return async (): Promise<Outcome> => {
    const paths = files.map((file) => fileURLToPath(new URL(`../${file}`, import.meta.url)));
    const args = ['--conditions=mcp-async-jobs-source', '--test', '--test-reporter=tap', ...paths];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    const [code] = (await once(child, 'close')) as [number | null];
    const count = (what: string) =>
      Number(new RegExp(`^# ${what} (\\d+)`, 'm').exec(text)?.[1] ?? 0);
    const failed = [...text.matchAll(/^ *not ok \d+ - (.+)$/gm)].map(([, title = '']) => title);
    const runs = count('tests');
    if (code !== 0 && failed.length === 0) failed.push(`the tests ended with ${code}`);
    return { runs, counted: { tests: runs, passed: count('pass') }, violations: failed };
  };
}

const tested = (title: string, bar: string, ...files: readonly string[]): Fault => ({
  title,
  bar,
  engines: ['sqlite'],
  full: 1,
  quick: 1,
  run: byTests(...files),
});

async function hostile({ seed, count }: FaultRun): Promise<Outcome> {
  const { sent, slowestMs, wrong } = await hostileInput({ seed, count });
  const cases = Object.values(sent).reduce((sum, one) => sum + one, 0);
  return {
    runs: cases,
    counted: { ...sent, 'slowest ms': Math.round(slowestMs) },
    violations: wrong,
  };
}

export const HOSTILE: Readonly<Record<string, Fault>> = {
  F23: {
    title: 'hostile input over every tool, method and route',
    bar: '0 crashes, hangs over 1 s, internal errors, echoes, changes',
    engines: ['sqlite'],
    full: 5_500,
    quick: 5_500,
    run: hostile,
  },
  F28: tested(
    'Origin, Host, guessed and revoked tokens',
    'refused as the specification says',
    'hostile/gate.test.ts',
  ),
  F33: tested('secrets, looked for everywhere', 'none is found', 'hostile/secrets.test.ts'),
  F34: tested('CSV', 'no formula, a byte-exact round trip', 'access-codes/csv.test.ts'),
  F35: tested(
    'text that computes, hides or speaks to a model',
    'none of it in trusted fields',
    'hostile/text.test.ts',
  ),
  F38: tested('installation without scripts', 'works without scripts', 'hostile/install.test.ts'),
};
