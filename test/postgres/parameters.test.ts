/** From `:name` to `$1`: what is a parameter of a statement, and what only looks like one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bind, bindMany, compile, fromKept, toKept } from '../../src/store/postgres/parameters.ts';

test('parameters are numbered in the order in which they first come', () => {
  const { text, names, isManyRow } = compile('SELECT :b, :a, :b, :a_1');
  assert.equal(text, 'SELECT $1, $2, $1, $3');
  assert.deepEqual([names, isManyRow], [['b', 'a', 'a_1'], false]);
});

for (const [what, text] of [
  ['a text', `SELECT ':no', 'it''s :no'`],
  ['a name', `SELECT 1 AS "x:no", 2 AS "a "":no"""`],
  ['a comment', 'SELECT 1 -- of :no\n'],
  ['a comment of several lines', 'SELECT /* :no\n :no */ 1'],
  ['a text between dollars', 'SELECT $$ :no $$, $tag$ :no $$ :no $tag$'],
  ['a cast', `SELECT 1::int, '1'::text`],
] as const) {
  test(`${what} holds no parameter, and the one behind it is one`, () => {
    assert.deepEqual(compile(text).names, []);
    assert.equal(compile(text).text, text);
    const behind = compile(`${text}, :yes::text`);
    assert.deepEqual([behind.names, behind.text], [['yes'], `${text}, $1::text`]);
  });
}

test('a statement over many rows is one that unnests a parameter', () => {
  assert.equal(compile('SELECT * FROM unnest( :a::int[], :b::int[])').isManyRow, true);
  assert.equal(compile('SELECT * FROM UNNEST(:a::int[])').isManyRow, true);
  assert.equal(compile('SELECT :a FROM unnest(array[1])').isManyRow, false);
});

test('values stand in the order of the parameters, and a column is a list of them', () => {
  const compiled = compile('SELECT :b, :a');
  const bytes = new Uint8Array([1]);
  assert.deepEqual(bind(compiled, { a: true, b: bytes }), [bytes, 1]);
  assert.deepEqual(bind(compiled, { a: null, b: 2n ** 60n }), [2n ** 60n, null]);
  const rows = [
    { a: 'x', b: 1 },
    { a: 'y', b: false },
  ];
  assert.deepEqual(bindMany(compiled, rows), [
    [1, 0],
    ['x', 'y'],
  ]);
});

test('a parameter that is missing, unknown or no data is an error that names it', () => {
  const compiled = compile('SELECT :a');
  assert.throws(() => bind(compiled, {}), { name: 'TypeError', message: /:a has no value/ });
  assert.throws(() => bind(compiled, { a: 1, b: 2 }), { message: /no parameter :b/ });
  assert.throws(() => bind(compiled, { a: {} as never }), { message: /:a is a object/ });
  assert.throws(() => bindMany(compiled, [{ a: 1 }, { c: 1 }]), { message: /no parameter :c/ });
});

test('text that PostgreSQL cannot keep comes back as it was', () => {
  for (const text of ['', 'plain', '\0', 'a\0b\uFFFF', '\uFFFF0', '\uFFFF\uFFFF\0\0']) {
    const kept = toKept(text);
    assert.ok(!kept.includes('\0'), JSON.stringify(text));
    assert.equal(fromKept(kept), text, JSON.stringify(text));
  }
});
