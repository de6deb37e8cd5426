/** What time does is done again and again, until it is stopped. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SILENT } from '../../src/job/log.ts';
import type { SweepResult } from '../../src/store/store.ts';
import { startSweeper } from '../../src/worker.ts';
import { until } from '../support/until.ts';

const NOTHING: SweepResult = { moved: [], purged: 0 };

/** A sweeper over a store that answers each pass as the test says. */
function sweeping(answer: (pass: number) => Promise<SweepResult>) {
  const seen = { passes: 0 };
  const store = {
    sweep() {
      seen.passes += 1;
      return answer(seen.passes);
    },
  };
  return { seen, stop: startSweeper({ store, retentionMs: 1e9, log: SILENT }) };
}

test('a sweep that fails is made again', async (t) => {
  const { seen, stop } = sweeping((pass) =>
    pass === 1 ? Promise.reject(new Error('no')) : Promise.resolve(NOTHING),
  );
  t.after(stop);
  await until('there were three passes', () => seen.passes >= 3);
});

test('while there is much to purge the next sweep comes soon', async (t) => {
  const { seen, stop } = sweeping((pass) =>
    Promise.resolve(pass < 10 ? { moved: [], purged: 100 } : NOTHING),
  );
  t.after(stop);
  // Nine pauses of a second would take longer.
  await until('all is purged', () => seen.passes === 10, { ms: 6_000 });
});

test('stopping waits for the sweep that is under way, and none comes after it', async () => {
  const swept = Promise.withResolvers<SweepResult>();
  const { seen, stop } = sweeping(() => swept.promise);
  let isStopped = false;
  const stopping = stop().finally(() => {
    isStopped = true;
  });
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
  assert.equal(isStopped, false);
  swept.resolve({ moved: [], purged: 1 });
  await stopping;
  await new Promise((resolve) => {
    setTimeout(resolve, 200);
  });
  assert.equal(seen.passes, 1);
});
