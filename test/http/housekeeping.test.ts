/** Housekeeping of the application is tried again and again, and never ends the server. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keepHouse } from '../../src/http/housekeeping.ts';
import { SILENT } from '../../src/job/log.ts';
import { tempStore } from '../support/temp.ts';

const turn = () =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

test('housekeeping is done at once and each hour, and a failure is logged and tried again', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const logged: string[] = [];
  const log = { ...SILENT, error: (_: object, message = '') => void logged.push(message) };
  const store = await tempStore(t);
  const given: unknown[] = [];
  const maintain = async (of: unknown): Promise<void> => {
    given.push(of);
    if (given.length === 1) throw new Error('no');
  };
  const stop = keepHouse(maintain, store, log);
  await turn();
  assert.deepEqual([given.length, logged.length], [1, 1]);
  t.mock.timers.tick(3_599_999);
  assert.equal(given.length, 1);
  t.mock.timers.tick(1);
  await turn();
  assert.deepEqual([given.length, logged.length], [2, 1]);
  assert.ok(given.every((one) => one === store));
  await stop();
  t.mock.timers.tick(7_200_000);
  assert.equal(given.length, 2);
});

test('stopping waits for the housekeeping that is under way', async (t) => {
  const done = Promise.withResolvers<void>();
  const stop = keepHouse(() => done.promise, await tempStore(t), SILENT);
  let isStopped = false;
  const stopping = stop().finally(() => {
    isStopped = true;
  });
  await turn();
  assert.equal(isStopped, false);
  done.resolve();
  await stopping;
});
