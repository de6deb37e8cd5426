/** The thread that ends a worker process whose run lasts too long. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { monotonic } from '../../src/job/clock.ts';
import { isAlive, startScript } from '../support/child.ts';
import type { Ending } from '../support/temp.ts';

async function guarded(t: Ending) {
  const script = startScript(t, new URL('guarded.ts', import.meta.url));
  await script.said('ready');
  return script;
}

/** Longer than the guardian takes between two looks. */
const MOMENT_MS = 1_000;

describe('the guardian', { concurrency: 3 }, () => {
  test('ends a process whose run goes on after it was told to stop', async (t) => {
    const script = await guarded(t);
    script.send({ type: 'begun', run: 'lse_1', endsAt: monotonic() + 60_000 });
    script.send({ type: 'stopped', run: 'lse_1', endsAt: monotonic() + 50 });
    assert.equal(await script.ended, 'SIGKILL');
  });

  test('spares it when the run ends after the word', async (t) => {
    const script = await guarded(t);
    script.send({ type: 'begun', run: 'lse_1', endsAt: monotonic() + 60_000 });
    script.send({ type: 'stopped', run: 'lse_1', endsAt: monotonic() + 500 });
    script.send({ type: 'ended', run: 'lse_1' });
    await script.said('ended');
    await pause(MOMENT_MS);
    assert.equal(isAlive(script.pid), true);
  });

  test('spares it when the word comes after the run has ended', async (t) => {
    const script = await guarded(t);
    script.send({ type: 'begun', run: 'lse_1', endsAt: monotonic() + 60_000 });
    script.send({ type: 'ended', run: 'lse_1' });
    script.send({ type: 'stopped', run: 'lse_1', endsAt: monotonic() + 50 });
    await script.said('stopped');
    await pause(MOMENT_MS);
    assert.equal(isAlive(script.pid), true);
  });
});
