import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { deriveKeys, makeKeyFile, parseKey, readKeyFile } from '../../src/access-codes/keys.ts';

const folder = mkdtempSync(join(tmpdir(), 'keys-'));
after(() => rmSync(folder, { recursive: true }));

test('a key file is made for its owner alone and is read back', () => {
  const path = join(folder, 'a.key');
  assert.equal(readKeyFile(path), null);
  makeKeyFile(path);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.match(readKeyFile(path) ?? '', /^[A-Za-z0-9_-]{43}$/);
  assert.deepEqual(readdirSync(folder), ['a.key']);
});

test('a key file that exists is never replaced', () => {
  const path = join(folder, 'b.key');
  makeKeyFile(path);
  const key = readKeyFile(path);
  makeKeyFile(path);
  assert.equal(readKeyFile(path), key);
});

test('a key file that others can read is refused with the command that helps', () => {
  const path = join(folder, 'c.key');
  makeKeyFile(path);
  chmodSync(path, 0o640);
  assert.throws(() => readKeyFile(path), /mode 640.*chmod 600 .*c\.key/);
});

test('a key file that holds something else is refused, and what it holds is not shown', () => {
  const path = join(folder, 'd.key');
  writeFileSync(path, 'hunter2', { mode: 0o600 });
  assert.throws(
    () => readKeyFile(path),
    (error: Error) => /does not hold a key/.test(error.message) && !/hunter2/.test(error.message),
  );
});

test('a key file that is a pipe or a folder is refused, and not waited for', () => {
  const path = join(folder, 'e.key');
  execFileSync('mkfifo', ['-m', '600', path]);
  for (const name of [path, folder]) assert.throws(() => readKeyFile(name), /is not a file/);
});

test('keys for different uses differ, and are the same at every start', () => {
  const key = 'A'.repeat(43);
  const { mac, seal, fingerprint } = deriveKeys(parseKey(`${key}\n`, 'The key'));
  assert.ok(deriveKeys(key).mac.equals(mac));
  assert.equal(mac.equals(seal), false);
  assert.notDeepEqual(new Uint8Array(mac.export()), fingerprint);
  assert.equal(deriveKeys('B'.repeat(43)).mac.equals(mac), false);
});
