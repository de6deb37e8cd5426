import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JobError } from '../job/errors.ts';
import { CliError, errorLine, errorText, exitCodeOf, FailedJob, localError } from './exit.ts';

test('every kind of ending has its exit code', () => {
  const cases: readonly (readonly [unknown, number])[] = [
    [new CliError('USAGE', 'No.'), 1],
    [new Error('surprise'), 1],
    [localError(new JobError('VALIDATION_FAILED'), 'a.db'), 1],
    [localError(new Error('file is not a database'), 'a.db'), 1],
    [new FailedJob(new JobError('RATE_LIMITED')), 2],
    [new JobError('AUTHENTICATION_REQUIRED'), 3],
    [new JobError('TOKEN_MISSING_ABILITY'), 3],
    [new JobError('SERVER_UNREACHABLE'), 4],
    [new JobError('SUBMISSION_UNKNOWN'), 4],
    [new JobError('VALIDATION_FAILED'), 5],
    [new JobError('RATE_LIMITED'), 5],
    [new FailedJob(new JobError('JOB_CANCELLED')), 6],
    [new JobError('WAIT_TIMEOUT'), 7],
  ];
  for (const [error, code] of cases) assert.equal(exitCodeOf(error), code, String(error));
});

test('an error is one line of JSON for a program', () => {
  const error = new JobError('VALIDATION_FAILED', {
    message: 'Two\nlines.',
    fields: { quantity: ['must be 1..1000'] },
  });
  const line = errorLine(error);
  assert.ok(!line.includes('\n'));
  assert.deepEqual(JSON.parse(line), {
    error: {
      code: 'VALIDATION_FAILED',
      message: 'Two\nlines.',
      remediation: error.remediation,
      fields: { quantity: ['must be 1..1000'] },
      context: { retryable: false },
    },
  });
});

test('an error is a few lines for a person, whose terminal it leaves alone', () => {
  const error = new JobError('X', { message: 'Bad \u001b[2J text.', fields: { a: ['is wrong'] } });
  const [first = '', second] = errorText(error).split('\n');
  assert.ok(!first.includes('\u001b'));
  assert.equal(second, '  a: is wrong');
});
