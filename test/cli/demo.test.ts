import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const script = fileURLToPath(new URL('../../scripts/demo.js', import.meta.url));

for (const [name, flags] of [
  ['on SQLite', []],
  ['of two servers and three workers on PostgreSQL', ['--postgres']],
] as const) {
  test(`the demo ${name} loses nothing, doubles nothing and leaves nothing behind`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'mcp-async-jobs-test-'));
    // The server of PostgreSQL is another user's when the test is root's.
    chmodSync(folder, 0o755);
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const { stdout } = await promisify(execFile)(process.execPath, [script, '--json', ...flags], {
      timeout: 50_000,
      env: { ...process.env, TMPDIR: folder },
    });
    const { jobs, codes, recovered } = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as {
      readonly jobs: readonly { readonly status: string; readonly result: { count: number } }[];
      readonly codes: number;
      readonly recovered: number;
    };
    assert.equal(codes, 5_000);
    assert.ok(recovered > 0);
    assert.equal(jobs.length, 20);
    assert.ok(jobs.every(({ status, result }) => status === 'completed' && result.count === 250));
    assert.deepEqual(readdirSync(folder), []);
  });
}
