import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addUnits, endsAt, expiresAt } from '../../src/access-codes/expiry.ts';
import { JobError } from '../../src/index.ts';

const at = (text: string) => Date.parse(text);

test('presets count from the moment of submission, in UTC', () => {
  const start = at('2026-01-31T10:05:00Z');
  const cases = {
    '1_day': '2026-02-01T10:05:00Z',
    '1_week': '2026-02-07T10:05:00Z',
    '1_month': '2026-02-28T10:05:00Z',
    '1_year': '2027-01-31T10:05:00Z',
  } as const;
  for (const [preset, expected] of Object.entries(cases)) {
    const expiry_preset = preset as keyof typeof cases;
    assert.equal(expiresAt(start, { expiry_preset }), at(expected), preset);
  }
  assert.equal(expiresAt(start, { expiry_preset: 'no_expiry' }), null);
});

test('expiry is a whole second, as it is shown', () => {
  assert.equal(
    expiresAt(at('2026-01-31T10:05:00.987Z'), { expiry_preset: '1_day' }),
    at('2026-02-01T10:05:00Z'),
  );
});

test('months and years end at the last day of a month that is too short', () => {
  assert.equal(addUnits(at('2024-02-29T00:00:00Z'), 1, 'years'), at('2025-02-28T00:00:00Z'));
  assert.equal(addUnits(at('2024-02-29T00:00:00Z'), 4, 'years'), at('2028-02-29T00:00:00Z'));
  assert.equal(addUnits(at('2026-08-31T23:59:59Z'), 1, 'months'), at('2026-09-30T23:59:59Z'));
  assert.equal(addUnits(at('2025-12-31T12:00:00Z'), 2, 'months'), at('2026-02-28T12:00:00Z'));
  assert.equal(addUnits(at('2025-11-30T12:00:00Z'), 15, 'months'), at('2027-02-28T12:00:00Z'));
  assert.equal(addUnits(at('2026-03-15T12:00:00Z'), 12, 'months'), at('2027-03-15T12:00:00Z'));
});

test('days are 24 hours and weeks seven of them', () => {
  const start = at('2026-03-28T12:00:00Z');
  assert.equal(addUnits(start, 2, 'days') - start, 2 * 86_400_000);
  assert.equal(addUnits(start, 3, 'weeks') - start, 21 * 86_400_000);
});

test('a custom expiry of more than a hundred years is refused by name', () => {
  const start = at('2026-01-01T00:00:00Z');
  const custom = (custom_expiry_amount: number) =>
    expiresAt(start, {
      expiry_preset: 'custom',
      custom_expiry_amount,
      custom_expiry_type: 'years',
    });
  assert.equal(custom(100), at('2126-01-01T00:00:00Z'));
  assert.throws(
    () => custom(101),
    (error) =>
      error instanceof JobError &&
      error.code === 'VALIDATION_FAILED' &&
      error.fields?.['custom_expiry_amount'] !== undefined,
  );
});

test('a lifetime subscription never ends, others run their cycles', () => {
  const start = at('2026-01-31T00:00:00Z');
  assert.equal(endsAt(start, 1, 'lifetime'), null);
  assert.equal(endsAt(start, 1, 'months'), at('2026-02-28T00:00:00Z'));
});
