import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cycleOf, formatPrice, parsePrice, previewOf } from '../../src/access-codes/pricing.ts';

test('a preview charges what the allotment does not cover', () => {
  const terms = { allotment: 5, overageMinor: 3 };
  assert.deepEqual(previewOf(50, 2, terms), {
    free_remaining: 3,
    chargeable_quantity: 47,
    cost: '1.41',
  });
  assert.deepEqual(previewOf(3, 2, terms), {
    free_remaining: 3,
    chargeable_quantity: 0,
    cost: '0.00',
  });
  assert.equal(previewOf(1, 9, terms).free_remaining, 0);
  assert.equal(previewOf(10_000, 5, terms).cost, '300.00');
});

test('prices are decimal texts with at most two places', () => {
  assert.equal(parsePrice('29.00'), 2_900);
  assert.equal(parsePrice('29'), 2_900);
  assert.equal(parsePrice('29.5'), 2_950);
  assert.equal(parsePrice('0.29'), 29);
  for (const wrong of ['', '-1', '1.234', '1e3', ' 1', '1,00', '٣', '9999999999', 'NaN', '.5']) {
    assert.equal(parsePrice(wrong), null, wrong);
  }
  assert.equal(formatPrice(2_900), '29.00');
  assert.equal(formatPrice(7), '0.07');
});

test('a billing cycle is a calendar month in UTC', () => {
  assert.equal(cycleOf(Date.parse('2026-05-31T23:59:59.999Z')), '2026-05');
  assert.equal(cycleOf(Date.parse('2026-06-01T00:00:00Z')), '2026-06');
});
