import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JobError } from '../job/errors.ts';
import type { Json } from '../job/json.ts';
import { boundedError } from './bounded-error.ts';

test('an error of ordinary size stays as it is', () => {
  const error = new JobError('NO_PAPER', {
    message: 'There is no paper.',
    fields: { size: ['must be A4'] },
    context: { tray: 2 },
  });
  assert.equal(boundedError(error), error);
});

test('facts that are too long are left out, and named as left out', () => {
  const long = 'x'.repeat(1_000_000);
  const error = new JobError('LONG', {
    message: 'Too much.',
    fields: { a: [long] },
    context: { retryable: true, log: long },
  });
  const { code, message, fields, context } = boundedError(error);
  assert.deepEqual([code, message, fields], ['LONG', 'Too much.', undefined]);
  assert.deepEqual(context, { retryable: true, omitted: ['fields', 'context'] });
});

test('facts that are no JSON are left out, so that the job can end', () => {
  for (const wrong of [5n, new Date(0), Number.NaN, () => {}]) {
    const error = new JobError('ODD', { context: { wrong: wrong as unknown as Json } });
    assert.deepEqual(boundedError(error).context, { retryable: false, omitted: ['context'] });
  }
});
