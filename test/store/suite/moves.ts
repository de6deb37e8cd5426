import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JobError, toFailure } from '../../../src/job/errors.ts';
import type { Job } from '../../../src/job/job.ts';
import { isFinal, mayMove, STATUSES, type Status } from '../../../src/job/states.ts';
import type { Change } from '../../../src/job/transitions.ts';
import { aJobThatIs, claim, who } from '../../support/a-job.ts';
import type { OpenStore } from './open.ts';

/** A change with everything that the target needs, so that nothing but the move can refuse it. */
function changeTo(to: Status, job: Job): Change {
  return {
    from: STATUSES,
    to,
    lease: job.lease,
    ...(to === 'completed' && { result: '{}' }),
    ...((to === 'failed' || to === 'cancelled') && {
      error: toFailure(new JobError('NO_PAPER'), 'req_1'),
    }),
    ...(to === 'waiting' && { questions: { q: 1 }, waitMs: 1_000 }),
  };
}

/** One test for each pair of statuses, read from the table of moves. */
export function moves(open: OpenStore): void {
  for (const from of STATUSES) {
    for (const to of STATUSES) {
      // A job gets to run by being claimed; no change alone can give it a lease.
      if (to === 'running') continue;
      const legal = mayMove(from, to);
      test(`${from} ${legal ? 'moves' : 'never moves'} to ${to}`, async (t) => {
        const store = await open(t);
        const job = await aJobThatIs(store, from);
        const { outcome } = await store.apply(job.id, changeTo(to, job));
        const after = await store.get(job.id, who());
        assert.equal(outcome, legal ? 'applied' : 'stale');
        if (legal) assert.equal(after?.status, to);
        else assert.deepEqual(after, job);
      });
    }
    if (from === 'queued') continue;
    test(`a job that is ${from} is not claimed`, async (t) => {
      const store = await open(t);
      const job = await aJobThatIs(store, from);
      assert.deepEqual((await claim(store, { tools: [job.tool] })).jobs, []);
      assert.deepEqual(await store.get(job.id, who()), job);
    });
  }

  test('a final job has no lease, and nothing of it ever changes', async (t) => {
    const store = await open(t);
    for (const status of STATUSES.filter(isFinal)) {
      const job = await aJobThatIs(store, status);
      assert.equal(job.lease, null);
      for (const lease of [null, '', 'guess']) {
        for (const to of STATUSES) await store.apply(job.id, { ...changeTo(to, job), lease });
        await store.renew([{ id: job.id, lease: lease ?? '' }], 1_000);
        const progress = { done: 1, total: null, message: null };
        assert.equal(await store.progress({ id: job.id, lease: lease ?? '' }, progress), false);
      }
      await store.sweep({ retentionMs: 1e9, toolMissingMs: 0 });
      assert.deepEqual(await store.get(job.id, who()), job);
    }
  });
}
