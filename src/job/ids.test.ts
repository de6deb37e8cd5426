import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newId, newLease, randomBelow } from './ids.ts';

test('an id is its prefix and a ULID', () => {
  assert.match(newId('mjb'), /^mjb_[0-7][0-9A-HJKMNP-TV-Z]{25}$/);
  assert.equal(newId('mjb', 1_469_918_176_385).slice(4, 14), '01ARYZ6S41');
  assert.equal(newId('mjb', 0).slice(4, 14), '0000000000');
});

test('ids sort by their time', () => {
  const times = [0, 1, 31, 32, 1_023, 1_024, 1_795_342_189_473, 281_474_976_710_655];
  const ids = times.map((at) => newId('x', at));
  assert.deepEqual(ids.toSorted(), ids);
});

test('ids and leases do not repeat', () => {
  const ids = new Set(Array.from({ length: 10_000 }, () => newId('x', 5)));
  const leases = new Set(Array.from({ length: 10_000 }, newLease));
  assert.deepEqual([ids.size, leases.size], [10_000, 10_000]);
  assert.match(newLease(), /^[\w-]{22}$/);
});

test('the random part of an id uses all of its alphabet evenly', () => {
  const counts = new Map<string, number>();
  for (let i = 0; i < 2_000; i += 1) {
    for (const c of newId('x').slice(12)) counts.set(c, (counts.get(c) ?? 0) + 1);
  }
  assert.equal(counts.size, 32);
  for (const [c, count] of counts) assert.ok(count > 700 && count < 1_300, `${c}: ${count}`);
});

test('a random number stays below its bound, also for bounds below one', () => {
  for (const bound of [-1, 0, 0.5, 1, 2, 2.9]) {
    for (let i = 0; i < 20; i += 1) {
      const found = randomBelow(bound);
      assert.ok(Number.isInteger(found) && found >= 0 && found < Math.max(1, Math.floor(bound)));
    }
  }
});
