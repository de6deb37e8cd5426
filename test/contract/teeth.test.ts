/**
 * Every check can fail: behind a proxy that lets everything pass it holds, behind one that spoils
 * the answer which it is about it does not.
 *
 * R1 and R6 are checks of time. Here they are given seconds, so that no test has to hold an answer
 * for half a minute to be caught at it.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { json } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { check } from './checks.ts';
import { SpoilingProxy } from './proxy.ts';
import { REQUIREMENT_IDS } from './requirements.ts';
import { ControlledServer, FLAGS } from './server.ts';
import { SPOILERS } from './spoilers.ts';
import type { Target } from './target.ts';

const TIMEOUT = { timeout: 180_000 };

let server: ControlledServer;
let proxy: SpoilingProxy;
let target: Target;

before(async () => {
  server = new ControlledServer(FLAGS);
  const { token, tokens } = server.grantAll();
  await server.start();
  proxy = new SpoilingProxy(() => server.url);
  await proxy.listen();
  target = { url: proxy.url, token, tokens, control: server, budgetMs: 5_000, atOnceMs: 3_000 };
}, TIMEOUT);

after(async () => {
  await proxy[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
}, TIMEOUT);

for (const id of REQUIREMENT_IDS) {
  const spoilers = Object.entries(SPOILERS[id]);

  test(`${id} has a server that does not hold it`, () => {
    assert.notEqual(spoilers.length, 0);
  });

  test(`${id} holds behind a proxy that spoils nothing`, TIMEOUT, async () => {
    proxy.spoil(null);
    await check(id, target);
  });

  for (const [title, make] of spoilers) {
    test(`${id} fails for a server that ${title}`, TIMEOUT, async () => {
      proxy.spoil(make({ target, serverUrl: () => server.url }));
      await assert.rejects(check(id, target), assert.AssertionError);
    });
  }
}

interface Report {
  readonly requirements: readonly { readonly id: string; readonly outcome: string }[];
}

/** Run the command against the proxy. Returns its exit code and the outcome of each requirement. */
async function runCommand(only: string): Promise<[unknown, Record<string, string>]> {
  const command = fileURLToPath(new URL('run.ts', import.meta.url));
  const flags = ['--url', target.url, '--token', target.token, '--only', only, '--json'];
  const child = spawn(process.execPath, [command, ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = once(child, 'exit');
  const { requirements } = (await json(child.stdout)) as Report;
  const [code] = (await exit) as unknown[];
  return [code, Object.fromEntries(requirements.map(({ id, outcome }) => [id, outcome]))];
}

test(
  'the command exits with 0 when nothing failed and says what it could not run',
  TIMEOUT,
  async () => {
    await server.serve(1);
    proxy.spoil(null);
    const outcomes = { R8: 'pass', R9: 'pass', R11: 'not run', R31: 'not run' };
    assert.deepEqual(await runCommand('R8,R9,R11,R31'), [0, outcomes]);
  },
);

test('the command exits with 1 when a requirement failed', TIMEOUT, async () => {
  await server.serve(1);
  for (const make of Object.values(SPOILERS.R9)) {
    proxy.spoil(make({ target, serverUrl: () => server.url }));
  }
  assert.deepEqual(await runCommand('R8,R9'), [1, { R8: 'pass', R9: 'fail' }]);
});
