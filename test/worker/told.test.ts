/** Which runs are stopped after a commit of another process. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Job } from '../../src/job/job.ts';
import { SILENT } from '../../src/job/log.ts';
import type { ChangeNotice } from '../../src/store/store.ts';
import { tellCancelled } from '../../src/worker/cancelled.ts';
import { until } from '../support/until.ts';

/** A runner, and a store that says what it holds; `look` is a commit of another process. */
function watching(runs: Map<string, string>, held: () => Promise<readonly string[]>) {
  const aborted: string[] = [];
  let looks = 0;
  let listener: (notice: ChangeNotice | null) => void = () => {};
  const stop = tellCancelled(
    {
      onChange(given) {
        listener = given;
        return () => {
          listener = () => {};
        };
      },
      async heldBy() {
        const leases = await held();
        looks += 1;
        return leases.map((lease) => ({ lease }) as Job);
      },
    },
    () => [
      {
        id: 'wrk_1',
        running: () => new Map(runs),
        abort: (id, lease) => void aborted.push(lease ?? id),
      },
    ],
    SILENT,
  );
  const look = async (): Promise<void> => {
    const before = looks;
    listener(null);
    await until('it has looked', () => looks > before);
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  };
  return { aborted, look, stop, tell: (notice: ChangeNotice) => listener(notice) };
}

test('a run of a job that is not held any more is stopped, the others go on', async (t) => {
  const runs = new Map([
    ['lease_1', 'mjb_1'],
    ['lease_2', 'mjb_2'],
  ]);
  const { aborted, look, stop } = watching(runs, () => Promise.resolve(['lease_2']));
  t.after(stop);
  await look();
  assert.deepEqual(aborted, ['lease_1']);
});

test('of a job that is begun anew while it is looked for only the older run is stopped', async (t) => {
  const runs = new Map([['lease_1', 'mjb_1']]);
  const { aborted, look, stop } = watching(runs, async () => {
    // It was taken back, and claimed again after the store had answered.
    runs.set('lease_2', 'mjb_1');
    return [];
  });
  t.after(stop);
  await look();
  assert.deepEqual(aborted, ['lease_1']);
});

test('a run that ends while it is looked for is not stopped', async (t) => {
  const runs = new Map([['lease_1', 'mjb_1']]);
  const { aborted, look, stop } = watching(runs, async () => {
    runs.clear();
    return [];
  });
  t.after(stop);
  await look();
  assert.deepEqual(aborted, []);
});

test('a change that comes while it is looked is looked for as well', async (t) => {
  const runs = new Map([['lease_1', 'mjb_1']]);
  let held: readonly string[] = ['lease_1'];
  const { aborted, look, stop } = watching(runs, () => Promise.resolve(held));
  t.after(stop);
  await look();
  held = [];
  await look();
  assert.deepEqual(aborted, ['lease_1']);
});

test('only a cancel stops a run by its name', (t) => {
  const runs = new Map([['lease_1', 'mjb_1']]);
  const { aborted, stop, tell } = watching(runs, () => Promise.resolve([]));
  t.after(stop);
  tell({ id: 'mjb_1', status: 'running' });
  tell({ id: 'mjb_1', status: 'completed' });
  assert.deepEqual(aborted, []);
  tell({ id: 'mjb_1', status: 'cancelled' });
  assert.deepEqual(aborted, ['mjb_1']);
});
