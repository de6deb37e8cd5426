import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_BACKOFF, retryDelayMs } from './retry.ts';

const least = () => 0;
const most = (belowExclusive: number) => Math.floor(belowExclusive) - 1;

test('delays double from one second up to a minute, half of each certain', () => {
  const bounds = [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000];
  for (const [index, bound] of bounds.entries()) {
    assert.equal(retryDelayMs(index + 1, DEFAULT_BACKOFF, least), bound / 2);
    assert.equal(retryDelayMs(index + 1, DEFAULT_BACKOFF, most), bound);
  }
});

test('a delay never leaves its bounds, whatever the backoff', () => {
  for (const baseMs of [0, 1, 7, 999, 3_600_000]) {
    for (const maxMs of [0, 1, 50, 3_600_000]) {
      for (const attempts of [1, 2, 3, 31, 50, 1_000]) {
        const bound = Math.min(maxMs, baseMs * 2 ** Math.min(attempts - 1, 30));
        const delay = retryDelayMs(attempts, { baseMs, maxMs });
        assert.ok(Number.isInteger(delay) && delay >= Math.floor(bound / 2) && delay <= bound);
      }
    }
  }
});

test('jobs that failed together do not return together', () => {
  const delays = new Set(Array.from({ length: 50 }, () => retryDelayMs(5)));
  assert.ok(delays.size > 25, `only ${delays.size} different delays`);
});
