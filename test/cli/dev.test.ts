import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { cli } from '../../scripts/cli-process.ts';
import { until } from '../support/until.ts';
import { dataOf } from './a-server.ts';

const script = fileURLToPath(new URL('../../scripts/dev.js', import.meta.url));

test('the server for development has a job in every state, and cleans up', async (t) => {
  const child = spawn(process.execPath, [script, '--port', '0'], {
    stdio: ['ignore', 'pipe', 'ignore'],
    detached: true,
  });
  const ended = once(child, 'exit');
  t.after(() => child.exitCode === null && process.kill(-(child.pid ?? 0), 'SIGKILL'));
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const [, url = '', file = ''] = await until('it listens', () =>
    /on (http:\S+), [^]* in (\S+)\n/.exec(said),
  );
  assert.doesNotMatch(said, /mpt_/);
  const env = {
    MCP_ASYNC_JOBS_URL: url,
    MCP_ASYNC_JOBS_TOKEN: readFileSync(file, 'utf8').trim(),
  };
  await until('every state is there', async () => {
    const list = dataOf(await cli(['jobs', 'list', '--json'], { env }));
    const jobs = list['data'] as readonly { readonly status: string }[];
    return new Set(jobs.map(({ status }) => status)).size === 4;
  });
  child.kill('SIGTERM');
  assert.deepEqual(await ended, [0, null]);
  assert.ok(!existsSync(dirname(file)));
});
