/** After the machine has started anew its monotonic clock stands elsewhere: what it measured is over. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { monotonic } from '../../src/job/clock.ts';
import { defineStatement } from '../../src/job/effects.ts';
import { handBack } from '../../src/job/transitions.ts';
import { aJobThatIs, claim, who } from '../support/a-job.ts';
import { tempStore } from '../support/temp.ts';

const FAR_MS = 86_400_000;

/** Names of other boots, in front of every real one and behind it. */
const OTHERS = ['!', '~'];

const leaseOf = defineStatement<{ id: string; boot: string; until: number }>({
  name: 'lease_of_another_boot',
  sqlite: 'UPDATE jobs SET lease_boot = :boot, lease_until = :until WHERE id = :id',
});
const delayOf = defineStatement<{ id: string; boot: string; until: number }>({
  name: 'delay_of_another_boot',
  sqlite: 'UPDATE jobs SET due_boot = :boot, due_at = :until WHERE id = :id',
});

describe('what another boot measured', () => {
  for (const boot of OTHERS) {
    test(`a lease of the boot "${boot}" is over, however far its end lies ahead`, async (t) => {
      const store = await tempStore(t);
      const { id } = await aJobThatIs(store, 'running');
      await store.write([leaseOf({ id, boot, until: monotonic() + FAR_MS }, { expect: 1 })]);
      const { moved } = await store.sweep({ retentionMs: FAR_MS, toolMissingMs: FAR_MS });
      assert.deepEqual(moved, [id]);
      assert.equal((await store.get(id, who()))?.status, 'queued');
    });

    test(`a delay of the boot "${boot}" is over, however far its end lies ahead`, async (t) => {
      const store = await tempStore(t);
      const job = await aJobThatIs(store, 'running');
      await store.apply(job.id, { ...handBack(job), delayMs: FAR_MS });
      assert.deepEqual((await claim(store, { tools: [job.tool] })).jobs, []);
      const row = { id: job.id, boot, until: monotonic() + FAR_MS };
      await store.write([delayOf(row, { expect: 1 })]);
      assert.equal((await claim(store, { tools: [job.tool] })).jobs[0]?.id, job.id);
    });
  }
});
