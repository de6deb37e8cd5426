import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'csv-parse/sync';
import { toCsv } from '../../src/access-codes/csv.ts';

const CODES = ['ABCDEFGHJKMNPQ01', '0123456789ABCDEF'];

test('a batch is a header and one line for each code, ended as RFC 4180 says', () => {
  const expires_at = Date.parse('2026-05-18T10:05:00Z');
  assert.equal(
    toCsv(CODES, { plan: 'Gold monthly', expires_at }),
    'code,plan,expires_at\r\nABCDEFGHJKMNPQ01,Gold monthly,2026-05-18T10:05:00Z\r\n0123456789ABCDEF,Gold monthly,2026-05-18T10:05:00Z\r\n',
  );
});

test('quotes, commas and line ends in a name stay inside their field', () => {
  const plan = 'a "b", c\r\nd';
  const rows = parse<object>(toCsv(CODES, { plan, expires_at: null }), { columns: true });
  assert.deepEqual(
    rows,
    CODES.map((code) => ({ code, plan, expires_at: '' })),
  );
});

test('a line end of any kind is quoted', () => {
  for (const plan of ['a\r\nb', 'a\nb', 'a\rb']) {
    assert.ok(toCsv(CODES, { plan, expires_at: null }).includes(`,"${plan}",`));
  }
});

test('a name that begins like a formula is not one to a spreadsheet', () => {
  for (const first of ['=', '+', '-', '@', '\t', '＝', '＋', '－', '＠']) {
    const csv = toCsv(CODES, { plan: `${first}cmd()`, expires_at: null });
    const [row] = parse<{ plan: string }>(csv, { columns: true });
    assert.equal(row?.plan, `'${first}cmd()`);
  }
});
