import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BoundedLines, type RequestId } from './bounded-lines.ts';

const LONG = 'x'.repeat(5_000);

/** What passes of these texts, and the ids of what was left out. */
function through(...texts: readonly string[]) {
  const leftOut: (RequestId | null)[] = [];
  const lines = new BoundedLines(1_000, (id) => leftOut.push(id));
  for (const text of texts) lines.write(text);
  return { passed: String(lines.read() ?? ''), leftOut };
}

test('lines pass as they are, in however many pieces they come', () => {
  assert.deepEqual(through('{"id"', ':1}\n{}', '\n'), { passed: '{"id":1}\n{}\n', leftOut: [] });
});

test('a line that is too long is left out, and its request is known by either end', () => {
  const first = `{"jsonrpc":"2.0","id":7,"method":"m","params":"${LONG}"}\n`;
  const last = `{"params":"${LONG}","method":"m","id":"seven"}\n`;
  const after = '{"id":8}\n';
  assert.deepEqual(through(first, last, after), { passed: after, leftOut: [7, 'seven'] });
});

test('a line that is too long and no request has no id', () => {
  assert.deepEqual(through(`{"id":7,"result":"${LONG}"}\n`).leftOut, [null]);
});

test('a line that is too long and no JSON is left out like any other', () => {
  const after = '{"id":8}\n';
  for (const start of ['{"id":007,"method":"m",', '{"id":"\t","method":"m",', '{"__proto__":1,']) {
    const said = through(`${start}"params":"${LONG}"}\n`, after);
    assert.deepEqual(said, { passed: after, leftOut: [null] }, start);
  }
});
