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

test('a member that is missing is said to be required', async () => {
  assert.deepEqual(await fieldsOf(page, {}), { size: ['is required'] });
  const [wrong] = (await fieldsOf(page, { size: undefined }))['size'] ?? [];
  assert.notEqual(wrong, 'is required');
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

test('only an input that lists its members itself is closed, unless it says otherwise', () => {
  const closedOf = (schema: Schema, side: 'input' | 'output') =>
    jsonSchemaOf(schema, side, 'It')['additionalProperties'];
  const plain = z.object({ a: z.string() });
  assert.equal(closedOf(plain, 'input'), false);
  assert.equal(closedOf(z.looseObject({ a: z.string() }), 'input') === false, false);
  const bare = (json: Record<string, unknown>): Schema => ({
    '~standard': {
      version: 1,
      vendor: 'x',
      validate: (value: unknown) => ({ value }),
      jsonSchema: { input: () => json, output: () => json },
    },
  });
  assert.equal(closedOf(bare({ properties: {} }), 'input'), false);
  assert.equal(closedOf(bare({ properties: {} }), 'output'), undefined);
  for (const word of ['anyOf', 'oneOf', 'allOf', '$ref', 'patternProperties']) {
    assert.equal(closedOf(bare({ [word]: [] }), 'input'), undefined, word);
  }
  assert.deepEqual(jsonSchemaOf(bare({ type: 'object', a: 1 }), 'output', 'It'), {
    type: 'object',
    a: 1,
  });
  assert.deepEqual(jsonSchemaOf(bare({ a: 1 }), 'output', 'It'), { type: 'object', a: 1 });
});

test('the message names the first problem and its place', async () => {
  const messageOf = async (schema: Schema, value: unknown): Promise<string> => {
    const json = jsonSchemaOf(schema, 'input', 'It');
    return parseInput(schema, json, value).then(
      () => 'accepted',
      (error: JobError) => error.message,
    );
  };
  assert.equal(
    await messageOf(page, { size: 'A4', copys: 1 }),
    'The arguments are not valid: copys: is not a known field; did you mean copies?.',
  );
  assert.equal(
    await messageOf(page, 1),
    'The arguments are not valid: arguments: must be an object.',
  );
  const whole = z.object({}).refine(() => false, 'is never right');
  assert.equal(
    await messageOf(whole, {}),
    'The arguments are not valid: arguments: is never right.',
  );
});

test('at most 20 fields are named, and five problems of each', async () => {
  const many = z.object({ a: z.string() }).superRefine((_, context) => {
    for (let i = 0; i < 9; i += 1)
      context.addIssue({ code: 'custom', path: ['a'], message: `p${i}` });
  });
  assert.deepEqual((await fieldsOf(many, { a: 'x' }))['a'], ['p0', 'p1', 'p2', 'p3', 'p4']);
  const keys = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, 1]));
  assert.equal(Object.keys(await fieldsOf(page, { size: 'A4', ...keys(25) })).length, 20);
  const open = z.object({ to: z.strictObject({}) });
  assert.equal(Object.keys(await fieldsOf(open, { to: keys(5_000) })).length, 20);
});

test('100,000 unknown members are refused within a moment', async () => {
  const hostile = Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`member${i}`, 1]));
  const startedAt = performance.now();
  await fieldsOf(page, hostile);
  assert.ok(performance.now() - startedAt < 1_000);
});

test('paths are told whatever a schema library makes them of', async () => {
  const issues = [
    { message: 'one', path: [{ key: 'a' }, { key: 0 }] },
    { message: 'two', path: ['b', 1] },
    { message: 'three' },
    { message: 'four', keys: ['d'] },
    { message: 'five', path: [null, {}] },
    { message: 'six', keys: 'no list', path: ['e'] },
  ];
  const other = {
    '~standard': {
      version: 1,
      vendor: 'x',
      validate: () => ({ issues }),
      jsonSchema: { input: () => ({ additionalProperties: true }), output: () => ({}) },
    },
  } as unknown as Schema;
  assert.deepEqual(await fieldsOf(other, { any: 1 }), {
    'a.0': ['one'],
    'b.1': ['two'],
    arguments: ['three'],
    d: ['is not a known field'],
    '(a name that is not shown)': ['five'],
    e: ['six'],
  });
});

test('a name that is as long as names are is compared, one letter longer is not', () => {
  const name = 'x'.repeat(60);
  assert.equal(nearest(name, [name]), name);
  assert.equal(nearest('ab', ['abcd', 'abc']), 'abc');
  assert.equal(nearest('abc', ['']), null);
  assert.equal(nearest('', ['ab']), 'ab');
});

test('the dialect of a schema that was written by hand is kept, and that of a library is not', () => {
  const of = (vendor: string, json: Record<string, unknown>) =>
    jsonSchemaOf(
      {
        '~standard': {
          version: 1,
          vendor,
          validate: (value: unknown) => ({ value }),
          jsonSchema: { input: () => json, output: () => json },
        },
      },
      'output',
      'It',
    );
  const dialect = { $schema: 'https://json-schema.org/draft/2020-12/schema' };
  assert.deepEqual(of('mcp', { ...dialect, a: 1 }), { ...dialect, type: 'object', a: 1 });
  assert.deepEqual(of('mcp', { a: 1 }), { type: 'object', a: 1 });
  assert.equal(Object.hasOwn(of('mcp', { a: 1 }), '$schema'), false);
  assert.deepEqual(of('zod', { ...dialect, a: 1 }), { type: 'object', a: 1 });
});
