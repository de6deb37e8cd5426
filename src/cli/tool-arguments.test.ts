import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toolArguments } from './tool-arguments.ts';

const schema = {
  type: 'object',
  properties: {
    text: { type: 'string' },
    count: { type: 'integer' },
    price: { type: 'number' },
    loud: { type: 'boolean' },
    tags: { type: 'array' },
    more: { type: 'object' },
    maybe: { anyOf: [{ type: 'number' }, { type: 'null' }] },
    kind: { enum: ['1', '2'] },
  },
};
const typed = (...pairs: string[]) => toolArguments(pairs, undefined, schema);

test('a value takes the type that the schema asks for', () => {
  assert.deepEqual(typed('text=12', 'count=12', 'price=1.5', 'loud=true'), {
    text: '12',
    count: 12,
    price: 1.5,
    loud: true,
  });
  assert.deepEqual(typed('tags=["a"]', 'more={"a":1}', 'maybe=null', 'kind=1'), {
    tags: ['a'],
    more: { a: 1 },
    maybe: null,
    kind: '1',
  });
});

test('a value that is not of its type stays text, for the server to refuse', () => {
  assert.deepEqual(typed('count=1.5', 'loud=yes', 'tags={}', 'maybe=true'), {
    count: '1.5',
    loud: 'yes',
    tags: '{}',
    maybe: 'true',
  });
});

test('an argument that the schema does not know is taken for JSON where it is some', () => {
  assert.deepEqual(typed('other=1', 'word=hello', 'toString=2'), {
    other: 1,
    word: 'hello',
    toString: 2,
  });
});

test('only the first equals sign divides', () => {
  assert.deepEqual(typed('text=a=b', 'kind='), { text: 'a=b', kind: '' });
});

test('pairs go before the JSON object', () => {
  assert.deepEqual(toolArguments(['count=2'], '{"count":1,"text":"a"}', schema), {
    count: 2,
    text: 'a',
  });
});

test('what is no argument is refused by name', () => {
  assert.throws(() => typed('count'), /"count" is not an argument of the form key=value/);
  assert.throws(() => typed('=1'), /key=value/);
  assert.throws(() => typed('count=1', 'count=2'), /"count" is given twice/);
  assert.throws(() => toolArguments([], '[1]', schema), /--args is not a JSON object/);
});

test('a key named like a member of every object is an argument like any other', () => {
  const given = toolArguments(['__proto__=1'], undefined, schema);
  assert.deepEqual(Object.keys(given), ['__proto__']);
});
