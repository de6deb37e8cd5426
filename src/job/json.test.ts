import assert from 'node:assert/strict';
import { test } from 'node:test';
import { whyNotJson } from './json.ts';

test('JSON is JSON', () => {
  const shared = { a: 1 };
  const fine: unknown[] = [null, true, 0, -1.5, '', '\uD800\0', [], {}, [[{ a: [null] }]]];
  fine.push(Object.assign(Object.create(null), { a: 1 }), { x: shared, y: [shared, shared] });
  fine.push({ absent: undefined }, JSON.parse('{"__proto__":{"a":1}}'));
  for (const value of fine) assert.equal(whyNotJson(value, 'result'), null);
});

test('what JSON text would change is refused, with its place', () => {
  class Page {
    readonly size = 'A4';
  }
  const cycle: Record<string, unknown> = {};
  cycle['self'] = [cycle];
  const refused: readonly (readonly [unknown, string])[] = [
    [undefined, 'at result: undefined'],
    [NaN, 'at result: NaN'],
    [{ a: Infinity }, 'at result.a: Infinity'],
    [[1, undefined], 'at result[1]: undefined'],
    [Array(1), 'at result[0]: undefined'],
    [{ a: [() => 1] }, 'at result.a[0]: a function'],
    [{ a: 1n }, 'at result.a: a bigint'],
    [Symbol('s'), 'at result: a symbol'],
    [{ when: new Date(0) }, 'at result.when: a Date'],
    [new Map(), 'at result: a Map'],
    [[new Page()], 'at result[0]: a Page'],
    [new Uint8Array(1), 'at result: a Uint8Array'],
    [Object.create(Object.create(null)), 'at result: an object of an unknown class'],
    [cycle, 'at result.self[0]: a cycle'],
  ];
  for (const [value, why] of refused) assert.equal(whyNotJson(value, 'result'), why);
});

test('nesting is bounded', () => {
  const nested = (levels: number) => {
    let value: unknown = 1;
    for (let i = 0; i < levels; i += 1) value = [value];
    return value;
  };
  assert.equal(whyNotJson(nested(200), 'r'), null);
  assert.match(whyNotJson(nested(5_000), 'r') ?? '', /nested more than 200 levels deep/);
});
