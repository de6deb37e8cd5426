import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JobState } from '../client/answers.ts';
import { barLine, durationText, stateLine } from './state-text.ts';

const job = (more: object): JobState => ({ job_id: 'mjb_1', status: 'running', ...more });

test('a bar shows share, counts, message, the time that is left and the time that has passed', () => {
  const progress = { done: 50, total: 200, message: 'codes', percent: 25 };
  assert.equal(
    barLine(job({ progress, eta_seconds: 75 }), 5_400),
    'mjb_1 running  ██████░░░░░░░░░░░░░░░░░░ 25 %  50/200  codes  ETA 1 min 15 s  waited 5 s',
  );
  assert.equal(
    barLine(job({ status: 'queued', queue_position: 3 }), 0),
    'mjb_1 queued  place 3 in the queue  waited 0 s',
  );
});

test('a job that asks says what, and how it is answered', () => {
  const line = stateLine(job({ input_requests: { flour: {} } }));
  assert.equal(line, 'mjb_1 running asks: flour (answer with call answer_job)');
});

test('text of a server cannot move the cursor', () => {
  const progress = { done: 1, total: null, message: '\u001b[2Jgone', percent: null };
  assert.ok(!stateLine(job({ progress })).includes('\u001b'));
});

test('an ending says how it ended', () => {
  assert.equal(
    stateLine(job({ status: 'completed', result: { n: 1 } })),
    'mjb_1 completed result={"n":1}',
  );
  const error = { code: 'JOB_CANCELLED', message: 'No more.' };
  assert.equal(
    stateLine(job({ status: 'failed', error })),
    'mjb_1 failed error=JOB_CANCELLED No more.',
  );
});

test('lengths of time are told in two units at most', () => {
  assert.deepEqual([0, 59.4, 60, 3_599, 7_800].map(durationText), [
    '0 s',
    '59 s',
    '1 min 0 s',
    '59 min 59 s',
    '2 h 10 min',
  ]);
});
