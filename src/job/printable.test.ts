import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JobError, toFailure } from './errors.ts';
import { printable, printableJson, printableLine, shownName } from './printable.ts';

test('text from outside is cut and loses what cannot be seen', () => {
  assert.equal(printable('a\u0000b\u202Ec\u200Bd\uD800', 20), 'a\uFFFDb\uFFFDc\uFFFDd\uFFFD');
  assert.equal(printable('x'.repeat(30), 10), `${'x'.repeat(9)}…`);
});

test('the selectors that hide data behind a letter are seen as what they are', () => {
  assert.equal(printable('a\u{E0100}\u{E01EF}b', 20), 'a\uFFFD\uFFFDb');
});

test('a text that just fits is not cut', () => {
  assert.equal(printable('x'.repeat(10), 10), 'x'.repeat(10));
  assert.equal(printable('x'.repeat(11), 10), `${'x'.repeat(9)}…`);
});

test('a paragraph becomes one line, and a text of megabytes costs nothing', () => {
  assert.equal(printableLine('a\n\t b\r\nc', 20), 'a b c');
  assert.equal(printableLine('a\u2028b', 20), 'a\uFFFDb');
  assert.equal(printableLine('y'.repeat(50), 20), `${'y'.repeat(19)}…`);
  assert.equal(printableLine(`${' '.repeat(39)}xyz`, 20), ' x');
});

test('every text of a value is made printable, whatever its shape', () => {
  const hostile = { a: ['\u202eb', 1, null, true], 'c\u0000': { d: 'e\nf' } };
  assert.deepEqual(printableJson(hostile, 50), {
    a: ['\uFFFDb', 1, null, true],
    'c\uFFFD': { d: 'e f' },
  });
  const own = printableJson(JSON.parse('{"__proto__":{"x":1}}') as object as never, 50) as object;
  assert.ok(Object.hasOwn(own, '__proto__'));
});

test('a name is shown, and what only stands where a name belongs is not', () => {
  for (const name of ['a', 'pages.1.size', '$ref', 'a-b_c', 'größe', '__proto__', 'x'.repeat(80)]) {
    assert.equal(shownName(name), name);
  }
  for (const text of [
    '',
    'a b',
    'x'.repeat(81),
    '<b>',
    'a\u202eb',
    'mpt_live_a_b',
    'mpt_test_a_b',
    'a\n',
  ]) {
    assert.equal(shownName(text), '(a name that is not shown)');
  }
});

test('an error carries no text of its caller that is long or that nobody sees', () => {
  const text = `a\u202e\n${'b'.repeat(5_000)}`;
  const error = new JobError(text, {
    message: text,
    remediation: text,
    fields: { [text]: [text] },
    context: { text },
  });
  const { code, ...rest } = toFailure(error, 'req_1');
  assert.equal(code.length, 100);
  for (const shown of [
    rest.message,
    rest.remediation,
    rest.context['text'],
    ...Object.entries(rest.fields ?? {}).flat(2),
  ]) {
    assert.ok(typeof shown === 'string' && shown.length === 1_000, 'it is cut');
    assert.doesNotMatch(shown, /[\p{Cc}\p{Cf}]/u);
  }
});
