import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isFinal, mayMove, NEXT, OPEN, STATUSES } from './states.ts';

test('a job is queued, runs, may wait, and ends in one of three ways', () => {
  assert.deepEqual(OPEN, ['queued', 'running', 'waiting']);
  assert.deepEqual(STATUSES.filter(isFinal), ['completed', 'failed', 'cancelled']);
});

test('a move is legal exactly when the table names it', () => {
  for (const from of STATUSES) {
    for (const to of STATUSES) {
      assert.equal(mayMove(from, to), (NEXT[from] as readonly string[]).includes(to));
    }
    assert.equal(mayMove(from, from), false);
  }
});

test('every status can be reached, and an end can be reached from each', () => {
  const reach = (from: string): Set<string> => {
    const seen = new Set([from]);
    for (const status of seen) for (const to of NEXT[status as keyof typeof NEXT]) seen.add(to);
    return seen;
  };
  assert.deepEqual([...reach('queued')].toSorted(), STATUSES.toSorted());
  for (const status of STATUSES) assert.ok([...reach(status)].some((to) => isFinal(to as never)));
});
