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

test('a statement keeps exactly the texts that it was given', () => {
  const sqlite = 'SELECT 1';
  const postgres = 'SELECT 2;  ';
  assert.deepEqual(defineStatement({ name: 'x', sqlite }).sql, { sqlite });
  assert.deepEqual(defineStatement({ name: 'x', postgres }).sql, { postgres });
  const both = defineStatement({ name: 'x', sqlite, postgres, heavy: true });
  assert.deepEqual([both.sql, both.heavy], [{ sqlite, postgres }, true]);
  assert.deepEqual(
    defineStatement({ name: 'x', sqlite: '\n  with a as (select 1) select 1' }).sql,
    {
      sqlite: '\n  with a as (select 1) select 1',
    },
  );
});

test('a text is looked at from its first word on, in every engine', () => {
  for (const sqlite of [
    'EXPLAIN SELECT 1',
    'x select 1',
    'selects 1',
    'SELECT 1; x',
    ';SELECT 1',
  ]) {
    assert.throws(() => defineStatement({ name: 'x', sqlite }), /must be one SELECT/, sqlite);
  }
  const plain = 'INSERT INTO a VALUES (1)';
  for (const wrong of [
    'INSERT OR  ROLLBACK INTO a VALUES (1)',
    'update or\nrollback a set b = 1',
  ]) {
    assert.throws(() => defineStatement({ name: 'x', sqlite: wrong, postgres: plain }), /OR ABORT/);
    assert.throws(() => defineStatement({ name: 'x', sqlite: plain, postgres: wrong }), /OR ABORT/);
  }
});

test('what a parameter cannot be is named by its kind', () => {
  const kindOf = (n: unknown) => whyNotEffects([insertPage({ n } as never)]);
  assert.equal(kindOf({}), '"insert_page" gives :n an object (Object)');
  assert.equal(kindOf(Object.create(null)), '"insert_page" gives :n an object (of no class)');
  assert.equal(
    kindOf(() => 1),
    '"insert_page" gives :n a function',
  );
  assert.equal(kindOf(Symbol('x')), '"insert_page" gives :n a symbol');
  assert.equal(whyNotEffects('x' as never), 'they are not a list');
  assert.equal(whyNotEffects(null as never), 'they are not a list');
});
