import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pollDelayMs } from './cadence.ts';

test('a job is asked after every second, then every five, then every thirty', () => {
  const expected: readonly (readonly [number, number])[] = [
    [-5, 1_000],
    [0, 1_000],
    [9_999, 1_000],
    [10_000, 5_000],
    [59_999, 5_000],
    [60_000, 30_000],
    [86_400_000, 30_000],
  ];
  for (const [age, delay] of expected) assert.equal(pollDelayMs(age), delay, `at ${age} ms`);
});

test('a job of a minute is asked after twenty times', () => {
  let polls = 0;
  for (let age = pollDelayMs(0); age <= 60_000; age += pollDelayMs(age)) polls += 1;
  assert.equal(polls, 20);
});
