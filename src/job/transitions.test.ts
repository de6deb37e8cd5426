import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JobError } from './errors.ts';
import { RUNS_MAX } from './job.ts';
import { mayMove } from './states.ts';
import * as moves from './transitions.ts';

function held(given: Partial<Parameters<typeof moves.handBack>[0]> = {}) {
  return { lease: 'l1', runs: 1, attempts: 0, attemptsMax: 3, requestId: 'req_1', ...given };
}

test('every change makes moves that the table has', () => {
  const changes = [
    moves.complete(held(), '{}', []),
    moves.fail(held(), new JobError('X')),
    moves.faulted(held(), 'ATTEMPTS_EXHAUSTED'),
    moves.faulted(held({ attempts: 2 }), 'DEADLINE_EXCEEDED'),
    moves.handBack(held()),
    moves.handBack(held({ runs: RUNS_MAX })),
    moves.ask(held(), {}, 1_000),
    moves.answer({}),
    moves.cancel('req_2'),
    moves.expire('waiting', 'INPUT_TIMEOUT', 'req_1'),
    moves.expire('queued', 'TOOL_UNAVAILABLE', 'req_1'),
  ];
  for (const { from, to, lease } of changes) {
    assert.ok(from.length > 0);
    for (const status of from) assert.ok(mayMove(status, to), `${status} to ${to}`);
    if (from.includes('running') && to !== 'cancelled') assert.equal(lease, 'l1');
  }
});

test('a fault is retried until the attempts are spent', () => {
  for (let attempts = 0; attempts < 3; attempts += 1) {
    const change = moves.faulted(held({ attempts }), 'DEADLINE_EXCEEDED', {
      baseMs: 100,
      maxMs: 100,
    });
    assert.equal(change.fault, true);
    if (attempts < 2) {
      assert.equal(change.to, 'queued');
      assert.ok((change.delayMs ?? -1) >= 50 && (change.delayMs ?? 101) <= 100);
    } else {
      assert.equal(change.to, 'failed');
      assert.equal(change.error?.code, 'DEADLINE_EXCEEDED');
      assert.deepEqual([change.error.fault, change.error.context['attempts']], [true, 3]);
    }
  }
  assert.equal(moves.faulted(held({ attemptsMax: 1 }), 'ATTEMPTS_EXHAUSTED').to, 'failed');
});

test('a hand-back counts no fault and does not rest', () => {
  const change = moves.handBack(held({ attempts: 2 }));
  assert.deepEqual(change, { from: ['running'], to: 'queued', lease: 'l1' });
  assert.equal(moves.handBack(held(), { alone: true }).alone, true);
});

test('a job that ran too often ends, also by a hand-back or a retry', () => {
  for (const change of [
    moves.handBack(held({ runs: RUNS_MAX })),
    moves.faulted(held({ runs: RUNS_MAX }), 'ATTEMPTS_EXHAUSTED'),
  ]) {
    assert.deepEqual([change.to, change.error?.code], ['failed', 'RUNS_EXHAUSTED']);
  }
});

test('what a handler declares is no fault', () => {
  const { error, fault } = moves.fail(held(), new JobError('NO_PAPER', { message: 'No paper.' }));
  assert.deepEqual([error?.code, error?.message, error?.fault], ['NO_PAPER', 'No paper.', false]);
  assert.equal(fault, undefined);
});

test('a cancel says that the job was cancelled, and in which request', () => {
  const { lease, error } = moves.cancel('req_2');
  assert.deepEqual(
    [lease, error?.code, error?.request_id, error?.fault],
    [null, 'JOB_CANCELLED', 'req_2', false],
  );
});

test('a change says whole what it does', () => {
  assert.deepEqual(moves.handBack(held()), { from: ['running'], to: 'queued', lease: 'l1' });
  assert.deepEqual(moves.handBack(held(), { alone: true }).alone, true);
  assert.deepEqual(moves.handBack(held(), { alone: false }).alone, false);
  assert.deepEqual(moves.answer({ a: 1 }), {
    from: ['waiting'],
    to: 'queued',
    lease: null,
    answers: { a: 1 },
  });
  assert.deepEqual(moves.cancel('req_2').from, ['queued', 'running', 'waiting']);
  assert.equal(moves.cancel('req_2').error?.fault, false);
  const spent = moves.handBack(held({ runs: RUNS_MAX })).error;
  assert.deepEqual(
    [spent?.code, spent?.context['runs'], spent?.fault],
    ['RUNS_EXHAUSTED', RUNS_MAX, true],
  );
  const expired = moves.expire('waiting', 'INPUT_TIMEOUT', 'req_3');
  assert.deepEqual([expired.from, expired.to, expired.lease], [['waiting'], 'failed', null]);
  assert.deepEqual([expired.error?.fault, expired.error?.request_id], [true, 'req_3']);
});
