/** What an error of PostgreSQL, or of the way to it, means. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JobError } from '../../src/job/errors.ts';
import {
  isAway,
  isOutdated,
  isStatementError,
  isUndone,
  toKnown,
} from '../../src/store/postgres/errors.ts';

const ofTheServer = (code: string, more: object = {}) =>
  Object.assign(new Error(`the server says ${code}`), { code, severity: 'ERROR', ...more });
const ofTheWire = (code: string) => Object.assign(new Error(`connect ${code}`), { code });
const codeOf = (error: unknown) => (error instanceof JobError ? error.code : null);

/** [away, undone for the sake of another, the statement's own fault, what the caller gets] */
const MEANINGS: readonly (readonly [string, boolean, boolean, boolean, string | null])[] = [
  // Lost, shut down, crashed, starting, out of connections, a standby.
  ['08006', true, false, false, 'STORE_BUSY'],
  ['57P01', true, false, false, 'STORE_BUSY'],
  ['57P02', true, false, false, 'STORE_BUSY'],
  ['57P03', true, false, false, 'STORE_BUSY'],
  ['53300', true, false, false, 'STORE_BUSY'],
  ['25006', true, false, false, 'STORE_BUSY'],
  ['25P03', true, false, false, 'STORE_BUSY'],
  // Not serialised, a deadlock, a lock that was not had in time.
  ['40001', false, true, false, 'STORE_BUSY'],
  ['40P01', false, true, false, 'STORE_BUSY'],
  ['55P03', false, true, false, 'STORE_BUSY'],
  // It took too long, or somebody cancelled it.
  ['57014', false, false, false, 'STORE_BUSY'],
  ['53100', false, false, false, 'STORE_FULL'],
  ['23505', false, false, true, 'CONFLICT'],
  ['23514', false, false, true, 'CONFLICT'],
  ['22P02', false, false, true, null],
  ['42P01', false, false, true, null],
  ['0A000', false, false, true, null],
  ['54000', false, false, true, null],
  ['P0001', false, false, true, null],
  ['XX000', false, false, false, null],
];

for (const [code, ...expected] of MEANINGS) {
  test(`${code} means what it means`, () => {
    const error = ofTheServer(code);
    const found = [isAway(error), isUndone(error), isStatementError(error), codeOf(toKnown(error))];
    assert.deepEqual(found, expected);
    if (expected.at(-1) === null) assert.equal(toKnown(error), error);
  });
}

test('a connection that is refused, reset, lost or leads nowhere is the database being away', () => {
  const codes = ['ECONNREFUSED', 'ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT'];
  const nowhere = ['EHOSTUNREACH', 'ENETUNREACH', 'ENETDOWN', 'EAI_AGAIN', 'ENOTFOUND', 'ENOENT'];
  const sentences = [
    'Connection terminated unexpectedly',
    'timeout exceeded when trying to connect',
    'Query read timeout',
    'Client has encountered a connection error and is not queryable',
  ];
  const errors = [
    ...[...codes, ...nowhere].map(ofTheWire),
    ...sentences.map((sentence) => new Error(sentence)),
    new AggregateError([ofTheWire('ECONNREFUSED'), new Error('another')]),
  ];
  for (const error of errors) {
    assert.equal(isAway(error), true, error.message);
    assert.equal(codeOf(toKnown(error)), 'STORE_BUSY', error.message);
  }
  for (const error of [new Error('x'), new TypeError('ECONNRESET'), ofTheWire('EACCES')]) {
    assert.equal(isAway(error), false, error.message);
  }
});

test('a prepared statement that is outdated is tried again, and no fault of its own', () => {
  const error = ofTheServer('0A000', { routine: 'RevalidateCachedQuery' });
  assert.deepEqual(
    [isOutdated(error), isUndone(error), isStatementError(error)],
    [true, true, false],
  );
  assert.equal(codeOf(toKnown(error)), 'STORE_BUSY');
});

test('an error that has a meaning already keeps it', () => {
  const error = new JobError('RATE_LIMITED');
  assert.equal(toKnown(error), error);
  assert.equal(isAway(error), false);
});
