import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JobError } from '../job/errors.ts';
import type { Json } from '../job/json.ts';
import { boundedError } from './bounded-error.ts';

test('an error of ordinary size stays as it is', () => {
  const error = new JobError('NO_PAPER', {
    message: 'There is no paper.',
    remediation: 'Buy some.',
    fields: { size: ['must be A4'] },
    context: { tray: 2 },
  });
  const { code, message, remediation, fields, context } = boundedError(error);
  assert.deepEqual(
    { code, message, remediation, fields, context },
    {
      code: 'NO_PAPER',
      message: 'There is no paper.',
      remediation: 'Buy some.',
      fields: { size: ['must be A4'] },
      context: { retryable: false, tray: 2 },
    },
  );
});

test('long texts end visibly, and facts that are too long are named as left out', () => {
  const long = 'x'.repeat(1_000_000);
  const error = new JobError('LONG', {
    message: long,
    remediation: long,
    fields: { a: [long] },
    context: { retryable: true, log: long },
  });
  const bounded = boundedError(error);
  assert.equal(bounded.message.length, 2_000);
  assert.match(bounded.message, /x…$/);
  assert.equal(bounded.remediation.length, 2_000);
  assert.equal(bounded.fields, undefined);
  assert.deepEqual(bounded.context, { retryable: true, omitted: 'context', omitted_fields: true });
});

test('facts that are no JSON are left out, so that the job can end', () => {
  for (const wrong of [5n, new Date(0), Number.NaN, () => {}]) {
    const error = new JobError('ODD', { context: { wrong: wrong as unknown as Json } });
    assert.deepEqual(boundedError(error).context, { retryable: false, omitted: 'context' });
  }
});
