import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defineStatement, whyNotEffects } from './effects.ts';

const insertPage = defineStatement<{ n: number }>({
  name: 'insert_page',
  sqlite: 'INSERT INTO pages (n) VALUES (:n)',
  postgres: 'INSERT INTO pages (n) VALUES (:n);',
});

test('a statement takes one row or many, and an expectation', () => {
  assert.deepEqual(insertPage({ n: 1 }).rows, [{ n: 1 }]);
  assert.deepEqual(insertPage([{ n: 1 }, { n: 2 }], { expect: 2 }), {
    name: 'insert_page',
    sql: insertPage.sql,
    rows: [{ n: 1 }, { n: 2 }],
    expect: 2,
  });
  assert.equal('expect' in insertPage({ n: 1 }), false);
  assert.deepEqual([insertPage.statement, insertPage.heavy], ['insert_page', false]);
});

test('a text that is not one plain statement is refused, with the fix', () => {
  const refused: readonly (readonly [string, RegExp])[] = [
    ['DROP TABLE jobs', /one SELECT/],
    ['COMMIT', /one SELECT/],
    ['PRAGMA synchronous = OFF', /one SELECT/],
    ['DELETE FROM a; DELETE FROM b', /Split it/],
    ['INSERT OR ROLLBACK INTO a VALUES (1)', /OR ABORT/],
    ['', /one SELECT/],
  ];
  for (const [sqlite, message] of refused) {
    assert.throws(() => defineStatement({ name: 'x', sqlite }), { name: 'TypeError', message });
  }
  assert.throws(() => defineStatement({ name: 'x' }), /has no SQL/);
});

test('effects are data, or it is said why not', () => {
  const rows = { a: 'x', b: 1, c: 1n, d: true, e: null, f: new Uint8Array(1) };
  assert.equal(whyNotEffects([{ name: 'x', sql: {}, rows: [rows] }]), null);
  assert.equal(whyNotEffects([]), null);
  assert.match(whyNotEffects([insertPage] as never) ?? '', /called with its rows/);
  assert.match(whyNotEffects([null] as never) ?? '', /called with its rows/);
  assert.match(whyNotEffects({} as never) ?? '', /not a list/);
  assert.equal(
    whyNotEffects([insertPage({ n: undefined } as never)]),
    '"insert_page" gives :n undefined',
  );
  assert.equal(
    whyNotEffects([insertPage({ n: new Date() } as never)]),
    '"insert_page" gives :n an object (Date)',
  );
});
