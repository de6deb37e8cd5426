import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Job, Progress } from '../job/job.ts';
import { progressFacts } from './progress-view.ts';

const T = 1_800_000_000_000;

/** A job in its second run, which began at T and said this 10 s later. */
function running(progress: Partial<Progress>, given: Partial<Job> = {}): Job {
  return {
    status: 'running',
    runs: 2,
    startedAt: T - 60_000,
    updatedAt: T + 10_000,
    progress: { done: 25, total: 100, message: null, run: 2, since: T, ...progress },
    ...given,
  } as Job;
}

const etaOf = (job: Job, at = T + 10_000) => progressFacts(job, at).eta_seconds;

test('a job that has said nothing has no progress', () => {
  assert.deepEqual(progressFacts({ status: 'running', progress: null } as Job, T), {});
});

test('percent is whole, unknown without a total, and 100 only when all is done', () => {
  const percent = (done: number, total: number | null) =>
    progressFacts(running({ done, total }), T).progress?.percent;
  assert.deepEqual(
    [percent(1, 3), percent(0, 3), percent(999, 1_000), percent(3, 3), percent(5, 3)],
    [33, 0, 99, 100, 100],
  );
  assert.equal(percent(5, null), null);
});

test('a view shows nothing of what is kept for the estimate', () => {
  const { progress } = progressFacts(running({ message: 'a quarter' }), T);
  assert.deepEqual(progress, { done: 25, total: 100, message: 'a quarter', percent: 25 });
});

test('the rest is estimated from the present run, and shrinks while nothing is said', () => {
  assert.equal(etaOf(running({})), 30);
  assert.equal(etaOf(running({}), T + 20_000), 20);
  assert.equal(etaOf(running({}), T + 600_000), 1, 'never 0 while it runs');
});

test('there is no estimate where nothing can be known', () => {
  assert.equal(etaOf(running({ total: null })), undefined, 'no total');
  assert.equal(etaOf(running({ done: 0 })), undefined, 'nothing done');
  assert.equal(etaOf(running({ done: 100 })), undefined, 'all done');
  assert.equal(etaOf(running({ run: 1 })), undefined, 'said by an earlier run');
  assert.equal(etaOf(running({ since: T + 9_500 })), undefined, 'too early in the run');
  assert.equal(etaOf(running({ since: T + 20_000 })), undefined, 'a clock that went back');
  for (const status of ['queued', 'waiting', 'completed', 'failed', 'cancelled'] as const) {
    assert.equal(etaOf(running({}, { status })), undefined, status);
  }
});
