import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Places } from './places.ts';

test('there are so many places and no more, and one that is given back twice is one', () => {
  const places = new Places(2);
  const [first, second] = [places.take(), places.take()];
  assert.ok(first && second);
  assert.equal(places.take(), null);
  assert.match(places.refusal.message, /: 2 are open/);
  first();
  first();
  assert.ok(places.take());
  assert.equal(places.take(), null);
});
