/**
 * An old Node must get one sentence that says what to do, never a stack trace about syntax or
 * modules that it does not know. Every Node is imitated; an old one on this machine is used too.
 */
import assert from 'node:assert/strict';
import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { existsSync, globSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const command = join(root, 'bin/mcp-async-jobs.js');
const entries = [
  command,
  ...globSync('scripts/*.js', { cwd: root }).map((path) => join(root, path)),
];

const run = (node: string, args: readonly string[]): SpawnSyncReturns<string> =>
  spawnSync(node, args, { encoding: 'utf8', timeout: 20_000 });

/** Runs this Node under another version number. */
function runAs(version: string, args: readonly string[]): SpawnSyncReturns<string> {
  const disguise = `
    Object.defineProperty(process, 'version', { value: 'v${version}' });
    Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } });
  `;
  const preload = `data:text/javascript,${encodeURIComponent(disguise)}`;
  return run(process.execPath, ['--import', preload, ...args]);
}

/** Every Node older than 24 outside the packages of this repository. */
function oldNodes(): string[] {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/local/bin', '/usr/bin'];
  const found = folders
    .filter((folder) => folder !== '' && !folder.includes('node_modules'))
    .map((folder) => join(folder, 'node'))
    .filter((path) => existsSync(path));
  return [...new Set(found)].filter((path) => {
    const major = Number(/^v(\d+)\./.exec(run(path, ['--version']).stdout)?.[1]);
    return major >= 14 && major < 24;
  });
}

function assertRefused(
  { status, stdout, stderr }: SpawnSyncReturns<string>,
  version: string,
): void {
  assert.equal(status, 1, stderr);
  assert.equal(stdout, '');
  assert.equal(stderr.split('\n').length, 2, `not one line: ${stderr}`);
  for (const part of [version, 'Node 24', 'npm ci', 'npm run -s cli --']) {
    assert.ok(stderr.includes(part), `"${part}" is not in: ${stderr}`);
  }
}

test('a Node older than 24.11 gets one sentence and exit code 1', () => {
  for (const version of ['14.21.3', '20.20.2', '24.10.9']) {
    assertRefused(runAs(version, [command, '--help']), version);
  }
});

test('a really old Node on this machine gets the same sentence', () => {
  for (const node of oldNodes()) {
    const version = run(node, ['--version']).stdout.trim().slice(1);
    assertRefused(run(node, [command, '--help']), version);
  }
});

test('every script that a person runs refuses an old Node in the same way', () => {
  assert.ok(entries.length > 5, 'the scripts were not found');
  for (const entry of entries) assertRefused(runAs('20.20.2', [entry]), '20.20.2');
});

test('Node 24.11 and everything later is let through', () => {
  const check = join(root, 'bin/node-version.js');
  const program = `
    import { runOnNode24 } from ${JSON.stringify(check)};
    runOnNode24(() => process.stdout.write('started'));
  `;
  for (const version of ['24.11.0', '24.21.0', '25.0.0', '26.6.1']) {
    const { status, stdout, stderr } = runAs(version, ['--input-type=module', '--eval', program]);
    assert.deepEqual(
      { status, stdout, stderr },
      { status: 0, stdout: 'started', stderr: '' },
      version,
    );
  }
});
