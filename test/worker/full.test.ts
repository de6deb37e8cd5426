/** A worker whose slots are all taken, and what comes after. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { startWorks } from './works.ts';

/** Longer than a worker goes without looking for work by itself. */
const LOOKED_MS = 1_300;

test('a worker that was full while it looked for work takes the next job all the same', async (t) => {
  const works = await startWorks(t, { workers: 1, concurrency: 1 });
  const first = await works.submit('gated', 'long');
  await works.marked('began', 'long');
  await pause(LOOKED_MS);
  writeFileSync(join(works.folder, 'long'), '');
  assert.equal((await works.ended(first)).status, 'completed');
  const next = await works.submit('quick', 'next');
  assert.equal((await works.ended(next)).status, 'completed');
});
