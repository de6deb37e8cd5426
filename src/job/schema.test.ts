import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import type { JobError } from './errors.ts';
import { jsonSchemaOf, nearest, parseInput, type Schema } from './schema.ts';

const page = z.object({ size: z.enum(['A4', 'A5']), copies: z.number().int().min(1).default(1) });

async function fieldsOf(schema: Schema, value: unknown) {
  const json = jsonSchemaOf(schema, 'input', 'It');
  try {
    await parseInput(schema, json, value);
  } catch (error) {
    assert.equal((error as JobError).code, 'VALIDATION_FAILED');
    return (error as JobError).fields ?? {};
  }
  return assert.fail('it was accepted');
}

test('a schema says what it is, closed to strangers', () => {
  const json = jsonSchemaOf(page, 'input', 'It');
  assert.equal(json['additionalProperties'], false);
  assert.equal(json['$schema'], undefined);
  assert.deepEqual(json['required'], ['size']);
  const either = z.union([z.object({ a: z.string() }), z.object({ b: z.string() })]);
  assert.equal(jsonSchemaOf(either, 'input', 'It')['type'], 'object');
});

test('a schema that cannot say what it is is refused, with the fix', () => {
  const silent = { '~standard': { version: 1, vendor: 'x', validate: () => ({ value: 1 }) } };
  for (const schema of [silent, {}, null, undefined]) {
    assert.throws(() => jsonSchemaOf(schema as never, 'input', 'The input of "x"'), {
      name: 'TypeError',
      message: /The input of "x" has no JSON Schema\. Use/,
    });
  }
  assert.throws(() => jsonSchemaOf(z.string(), 'output', 'It'), /describes "string"\. Wrap/);
});

test('what fits is parsed, with its defaults', async () => {
  const json = jsonSchemaOf(page, 'input', 'It');
  assert.deepEqual(await parseInput(page, json, { size: 'A4' }), { size: 'A4', copies: 1 });
});

test('every problem is named under its path', async () => {
  const nested = z.object({ pages: z.array(page), to: z.strictObject({ name: z.string() }) });
  const fields = await fieldsOf(nested, {
    pages: [{ size: 'A4' }, { size: 'B4', copies: 0 }],
    to: { name: 1, phone: 2 },
  });
  assert.deepEqual(Object.keys(fields).toSorted(), [
    'pages.1.copies',
    'pages.1.size',
    'to.name',
    'to.phone',
  ]);
});

test('strangers are named, with what was probably meant', async () => {
  const fields = await fieldsOf(page, { size: 'A4', copys: 2, xyz: 1 });
  assert.deepEqual(fields['copys'], ['is not a known field; did you mean copies?']);
  assert.deepEqual(fields['xyz'], ['is not a known field']);
});

test('what is no object is refused', async () => {
  for (const value of [null, undefined, 1, 'x', [], true]) {
    assert.deepEqual(await fieldsOf(page, value), { arguments: ['must be an object'] });
  }
});

test('hostile members are refused, made printable, and harm nothing', async () => {
  const hostile = JSON.parse(
    `{"size":"A4","__proto__":{"copies":9},"constructor":1,"\\u202e\\u0000${'x'.repeat(500)}":1}`,
  ) as object;
  const fields = await fieldsOf(page, hostile);
  const names = Object.keys(fields);
  assert.ok(names.includes('__proto__') && names.includes('constructor'));
  for (const name of names) assert.ok(name.length <= 80 && !/[\p{Cc}\p{Cf}]/u.test(name));
  assert.equal(({} as Record<string, unknown>)['copies'], undefined);
  const many = Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`k${i}`, 1]));
  assert.ok(Object.keys(await fieldsOf(page, { size: 'A4', ...many })).length <= 20);
});

test('the nearest name is near, or it is none', () => {
  assert.equal(nearest('quantty', ['quality', 'quantity']), 'quantity');
  assert.equal(nearest('zzz', ['quantity']), null);
  assert.equal(nearest('x'.repeat(61), ['x'.repeat(61)]), null);
  assert.equal(nearest('a', []), null);
});
