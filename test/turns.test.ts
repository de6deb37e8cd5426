/** `npm run turns`, the part of it that is quick. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const script = fileURLToPath(new URL('../scripts/turns.ts', import.meta.url));

interface Row {
  readonly surface: string;
  readonly job: string;
  readonly hints: boolean;
  readonly status: string;
  readonly calls: number;
  readonly longestBytes: number;
  readonly missed: string | null;
}

test('an agent that knows no tool by name ends its jobs, on every surface, with and without hints', async () => {
  const run = promisify(execFile);
  const args = ['--conditions=mcp-async-jobs-source', script, '--quick', '--json'];
  const { stdout } = await run(process.execPath, args, { timeout: 50_000 });
  const { rows } = JSON.parse(stdout) as { readonly rows: readonly Row[] };
  assert.equal(new Set(rows.map(({ surface }) => surface)).size, 4);
  assert.equal(rows.length, 16);
  for (const row of rows) {
    assert.equal(row.status, 'completed', JSON.stringify(row));
    assert.equal(row.missed, null, JSON.stringify(row));
    if (row.hints) assert.ok(row.calls <= 2, JSON.stringify(row));
    if (row.job === 'bulk') assert.ok(row.longestBytes <= 2_048, JSON.stringify(row));
  }
});
