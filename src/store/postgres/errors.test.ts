import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAway, isOutdated, isStatementError, isUndone, sqlState, toKnown } from './errors.ts';

const OF_SERVER = { code: '0A000', severity: 'ERROR' };

test('what is no error of the server means nothing, and is given back as it is', () => {
  for (const thrown of [undefined, null, 'text', '', 0, {}, OF_SERVER, new Error('x')]) {
    const judged = [isOutdated, isUndone, isStatementError, isAway].map((judge) => judge(thrown));
    assert.deepEqual([...judged, sqlState(thrown)], [false, false, false, false, null]);
    assert.equal(toKnown(thrown), thrown);
  }
});

test('only a prepared statement that answers in another shape is outdated', () => {
  const unsupported = Object.assign(new Error('not supported'), OF_SERVER);
  const outdated = Object.assign(new Error('cached plan must not change result type'), {
    ...OF_SERVER,
    routine: 'RevalidateCachedQuery',
  });
  assert.deepEqual([unsupported, outdated].map(isOutdated), [false, true]);
  assert.deepEqual([unsupported, outdated].map(isStatementError), [true, false]);
});
