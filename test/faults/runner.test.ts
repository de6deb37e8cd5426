/** The command that does faults, as whoever breaks it off sees it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { childrenOf, isAlive } from '../support/child.ts';
import { until } from '../support/until.ts';

const SCRIPT = fileURLToPath(new URL('../../scripts/faults.ts', import.meta.url));

/** Everything that a process started, and that they started. */
function below(pid: number): number[] {
  const children = childrenOf(pid);
  return [...children, ...children.flatMap(below)];
}

test('Faults run side by side, and an interrupt ends all that they started', async (t) => {
  const what = ['F40', 'F41', '--engine', 'sqlite', '--seed', '1', '--count', '300'];
  const args = ['--conditions=mcp-async-jobs-source', SCRIPT, ...what, '--lanes', '2'];
  const runner = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => void runner.kill('SIGTERM'));
  let told = '';
  runner.stdout.on('data', (chunk: Buffer) => (told += chunk.toString()));
  const pid = runner.pid ?? 0;
  const started = await until(
    'both have started a server each',
    () => {
      const faults = childrenOf(pid);
      const all = below(pid);
      return faults.length === 2 && faults.every((one) => below(one).length > 1) && all;
    },
    { ms: 60_000, everyMs: 20 },
  );
  runner.kill('SIGINT');
  const [code] = (await once(runner, 'exit')) as [number | null];
  assert.equal(code, 130);
  await until('nothing is left running', () => !started.some(isAlive));
  assert.equal(told, '');
});
