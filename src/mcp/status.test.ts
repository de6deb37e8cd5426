import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { JobError, toFailure } from '../job/errors.ts';
import { STATUSES, type Status } from '../job/states.ts';
import { shownStatus, taskStatus, type TaskStatus } from './status.ts';

const refused = toFailure(new JobError('NO_PAPER'), 'req_1', false);
const fault = toFailure(new JobError('ATTEMPTS_EXHAUSTED'), 'req_1', true);
const cancelled = toFailure(new JobError('JOB_CANCELLED'), 'req_1');

type Facts = Parameters<typeof shownStatus>[0] & Parameters<typeof taskStatus>[0];
const ran = { startedAt: 1, error: null };

/** What a job is, how the tools show it, and how it is shown as a task. */
const SHOWN: readonly (readonly [string, Facts, ReturnType<typeof shownStatus>, TaskStatus])[] = [
  ['never ran', { status: 'queued', startedAt: null, error: null }, 'queued', 'working'],
  ['waits to run again', { status: 'queued', ...ran }, 'running', 'working'],
  ['runs', { status: 'running', ...ran }, 'running', 'working'],
  ['asks', { status: 'waiting', ...ran }, 'running', 'input_required'],
  ['is completed', { status: 'completed', ...ran }, 'completed', 'completed'],
  ['was refused', { status: 'failed', startedAt: 1, error: refused }, 'failed', 'completed'],
  ['failed by a fault', { status: 'failed', startedAt: 1, error: fault }, 'failed', 'failed'],
  ['is cancelled', { status: 'cancelled', startedAt: 1, error: cancelled }, 'failed', 'cancelled'],
];

describe('the status', () => {
  for (const [what, job, shown, task] of SHOWN) {
    test(`of a job that ${what} is ${shown} in the tools, and as a task ${task}`, () => {
      assert.deepEqual([shownStatus(job), taskStatus(job)], [shown, task]);
    });
  }

  test('of every kind is known here', () => {
    const known = new Set<Status>(SHOWN.map(([, { status }]) => status));
    assert.deepEqual(known, new Set(STATUSES));
  });
});
