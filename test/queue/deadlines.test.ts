/** Deadlines in this process: never early, and nothing is left of one that is over. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { monotonic } from '../../src/job/clock.ts';
import { Deadlines } from '../../src/queue/deadlines.ts';
import { timeout, within } from '../../src/queue/within.ts';
import { until } from '../support/until.ts';

const timers = () =>
  process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;

test('a deadline is called once, late by half a second at most and never early', async () => {
  const deadlines = new Deadlines();
  const early: number[] = [];
  const called = new Map<number, number>();
  for (const ms of [1, 200, 250, 333, 500, 701]) {
    const startedAt = monotonic();
    deadlines.after(ms, () => {
      called.set(ms, (called.get(ms) ?? 0) + 1);
      if (monotonic() - startedAt < ms) early.push(ms);
    });
  }
  await until('all are over', () => called.size === 6);
  assert.deepEqual([early, [...called.values()]], [[], [1, 1, 1, 1, 1, 1]]);
});

test('a deadline that was taken back is not called, and others of its time are', async () => {
  const deadlines = new Deadlines();
  const called: string[] = [];
  const call = (name: string) => () => void called.push(name);
  const cancel = deadlines.after(50, call('taken back'));
  deadlines.after(50, call('kept'));
  cancel();
  cancel();
  await until('the other is called', () => called.length > 0);
  assert.deepEqual(called, ['kept']);
});

test('where no deadline is left there is no timer that would keep the process', async () => {
  const deadlines = new Deadlines();
  const before = timers();
  const cancel = deadlines.after(60_000, () => {});
  assert.equal(timers(), before + 1);
  cancel();
  assert.equal(timers(), before);
  let isOver = false;
  deadlines.after(1, () => {
    isOver = true;
  });
  await until('it is over', () => isOver);
  assert.equal(timers(), before);
});

test('work that ends in time leaves no deadline behind', async () => {
  const before = timers();
  assert.equal(await within(Promise.resolve(1), 60_000, timeout('It')), 1);
  await assert.rejects(within(Promise.reject(new Error('no')), 60_000, timeout('It')), /no/);
  assert.equal(timers(), before);
});
