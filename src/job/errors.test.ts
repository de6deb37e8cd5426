import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ERRORS } from './error-codes.ts';
import { errorSpec, JobError, toErrorBody, toFailure } from './errors.ts';

test('every code says what happened, what to do, and whether it can be tried again', () => {
  for (const [code, spec] of Object.entries(ERRORS)) {
    assert.match(code, /^[A-Z][A-Z_]+$/);
    assert.match(spec.message, /\.$/, code);
    assert.match(spec.remediation, /\.$/, code);
    assert.ok(spec.status >= 400 && spec.status <= 599, code);
    assert.equal(new JobError(code).context['retryable'], spec.retryable);
  }
});

test('a code of the author counts as a plain, final failure', () => {
  const error = new JobError('NO_PAPER');
  assert.deepEqual([error.message, error.context], ['The job failed.', { retryable: false }]);
  assert.equal(errorSpec('__proto__').status, 422);
  assert.equal(errorSpec('toString').status, 422);
});

test('what was given replaces the defaults', () => {
  const cause = new Error('c');
  const error = new JobError('NO_PAPER', {
    message: 'No paper in tray 2.',
    remediation: 'Add some.',
    fields: { tray: ['is empty'] },
    context: { tray: 2, retryable: true },
    cause,
  });
  const failure = toFailure(error, 'req_1', true);
  assert.deepEqual(toErrorBody(failure, 'https://x.example/errors'), {
    code: 'NO_PAPER',
    docs_url: 'https://x.example/errors#NO_PAPER',
    message: 'No paper in tray 2.',
    remediation: 'Add some.',
    request_id: 'req_1',
    fields: { tray: ['is empty'] },
    context: { tray: 2, retryable: true },
  });
  assert.equal(error.cause, cause);
  assert.equal(failure.fault, true);
});

test('nothing of a foreign error is shown', () => {
  for (const error of [new Error('secret'), 'secret', null, { message: 'secret' }]) {
    const failure = toFailure(error, 'req_1');
    assert.equal(failure.code, 'INTERNAL_ERROR');
    assert.ok(!JSON.stringify(failure).includes('secret'));
  }
});

test('an error is a JobError by name, and what a caller did is no fault', () => {
  assert.equal(new JobError('X').name, 'JobError');
  assert.equal(toFailure(new JobError('X'), 'req_1').fault, false);
  const { remediation } = new JobError('X');
  assert.equal(remediation, 'Read the message; submit again with other arguments.');
});
