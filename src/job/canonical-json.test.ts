import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert as check, jsonValue, property } from 'fast-check';
import { canonicalJson } from './canonical-json.ts';
import type { Json } from './json.ts';

test('the example of RFC 8785 has the text that the RFC gives it', () => {
  const value = {
    // As the RFC writes them; the first has more digits than a number can hold.
    numbers: [Number('333333333.33333329'), 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
    string: "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\u0022/",
    literals: [null, true, false],
  };
  assert.equal(
    canonicalJson(value),
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
  );
});

test('members are sorted by their UTF-16 code units, as the RFC shows', () => {
  const members = ['\u20ac', '\r', '\ufb33', '1', '\u{1f600}', '\u0080', '\u00f6'];
  const text = canonicalJson(Object.fromEntries(members.map((key) => [key, 0])));
  assert.deepEqual(
    [...text.matchAll(/"(.*?)":0/g)].map(([, key = '']) => JSON.parse(`"${key}"`) as string),
    ['\r', '1', '\u0080', '\u00f6', '\u20ac', '\u{1f600}', '\ufb33'],
  );
});

test('the order in which members were written changes nothing, and nothing is lost', () => {
  const shuffled = (value: Json): Json => {
    if (Array.isArray(value)) return value.map(shuffled);
    if (typeof value !== 'object' || value === null) return value;
    const entries = Object.entries(value).toReversed();
    return Object.fromEntries(entries.map(([key, item]) => [key, shuffled(item)]));
  };
  check(
    property(jsonValue(), (value) => {
      const text = canonicalJson(value as Json);
      assert.equal(canonicalJson(shuffled(value as Json)), text);
      assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)));
    }),
  );
});
