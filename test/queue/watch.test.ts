/** Who is called back for which job, and when the store is listened to. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JobWatch } from '../../src/queue/watch.ts';
import type { ChangeNotice } from '../../src/store/store.ts';
import { until } from '../support/until.ts';

/** A watch of a store that the test plays. */
function watching() {
  const seen = { listeners: 0 };
  let tell: (notice: ChangeNotice | null) => void = () => {};
  const watch = new JobWatch({
    onChange(listener) {
      seen.listeners += 1;
      tell = listener;
      return () => {
        seen.listeners -= 1;
      };
    },
  });
  return { seen, watch, tell: (notice: ChangeNotice | null) => tell(notice) };
}

const changed = (id: string): ChangeNotice => ({ id, status: 'running' });

test('who watches a job is called for it alone, until he stops', () => {
  const { watch, tell } = watching();
  const [mine, yours]: string[][] = [[], []];
  const stop = watch.watch(['mjb_1', 'mjb_2'], (id) => mine?.push(id));
  watch.watch(['mjb_2'], (id) => yours?.push(id));
  for (const id of ['mjb_1', 'mjb_2', 'mjb_3']) tell(changed(id));
  assert.deepEqual([mine, yours], [['mjb_1', 'mjb_2'], ['mjb_2']]);
  stop();
  for (const id of ['mjb_1', 'mjb_2']) tell(changed(id));
  assert.deepEqual(
    [mine, yours],
    [
      ['mjb_1', 'mjb_2'],
      ['mjb_2', 'mjb_2'],
    ],
  );
});

test('a commit of another process may be about any job, and more of them come to one pass', async () => {
  const { watch, tell } = watching();
  const called: string[] = [];
  watch.watch(['mjb_1', 'mjb_2'], (id) => called.push(id));
  for (let i = 0; i < 100; i += 1) tell(null);
  await until('all are called', () => called.length >= 2);
  // What was told while a pass went on is looked for in the next one.
  tell(null);
  await until('they are called again', () => called.length >= 4);
  assert.ok(called.length <= 6, `${called.length} calls`);
  assert.deepEqual(new Set(called), new Set(['mjb_1', 'mjb_2']));
});

test('the store is listened to once, and only while something is watched', () => {
  const { seen, watch } = watching();
  const stops = [watch.watch(['mjb_1'], () => {}), watch.watch(['mjb_2'], () => {})];
  assert.equal(seen.listeners, 1);
  stops[0]?.();
  assert.equal(seen.listeners, 1);
  stops[1]?.();
  assert.equal(seen.listeners, 0);
  const stop = watch.watch(['mjb_1'], () => {});
  assert.equal(seen.listeners, 1);
  stop();
  assert.equal(seen.listeners, 0);
});
