/** One subscription on a real store, whose reads the test holds up. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JobError } from '../../src/job/errors.ts';
import type { Job } from '../../src/job/job.ts';
import { SILENT } from '../../src/job/log.ts';
import { complete } from '../../src/job/transitions.ts';
import { TaskSubscription } from '../../src/mcp/task-subscription.ts';
import type { QueueContext } from '../../src/queue/context.ts';
import { Waits } from '../../src/queue/wait.ts';
import type { Store } from '../../src/store/store.ts';
import { aJobThatIs, who } from '../support/a-job.ts';
import { tempStore, type Ending } from '../support/temp.ts';
import { until } from '../support/until.ts';

/** A subscription to one job, and what it sends. */
function subscribed(t: Ending, store: Store, job: Job) {
  const definitions = new Map();
  const queue: QueueContext = {
    store,
    definitions,
    settings: null,
    maxOutstanding: 0,
    idempotencyTtlMs: 1,
    waits: new Waits(store),
    log: SILENT,
  };
  const at = 'http://127.0.0.1';
  const sent: { params: { status: string } }[] = [];
  const seen = { isDone: false };
  const subscription = new TaskSubscription({
    queue,
    viewing: { definitions, publicUrl: at, docsUrl: at, servesResults: false, retentionMs: 1e9 },
    id: 1,
    who: who(),
    jobs: [job],
    send: (notification) => void sent.push(notification as (typeof sent)[0]),
    isReady: () => true,
    onDone: () => {
      seen.isDone = true;
    },
  });
  t.after(() => subscription.stop());
  return { sent, subscription, seen };
}

test('a change that comes while its task is read is sent after what was read', async (t) => {
  const real = await tempStore(t);
  const job = await aJobThatIs(real, 'running');
  const gate = Promise.withResolvers<void>();
  let reads = 0;
  const store = Object.assign(Object.create(real) as Store, {
    onChange: real.onChange.bind(real),
    async get(...asked: Parameters<Store['get']>) {
      const found = await real.get(...asked);
      reads += 1;
      if (reads === 1) await gate.promise;
      return found;
    },
  });
  const { sent, subscription, seen } = subscribed(t, store, job);
  void subscription.pump();
  await until('the first read is on its way', () => reads === 1);
  await real.apply(job.id, complete(job, '{}', []));
  // The change is heard in the same turn in which its commit is answered.
  await new Promise((resolve) => setImmediate(resolve));
  gate.resolve();
  await until('the end was sent', () => seen.isDone);
  assert.deepEqual(
    sent.map(({ params }) => params.status),
    ['working', 'completed'],
  );
});

test('a task that cannot be read for a moment is told all the same, a second later', async (t) => {
  const real = await tempStore(t);
  const job = await aJobThatIs(real, 'running');
  let reads = 0;
  const store = Object.assign(Object.create(real) as Store, {
    onChange: real.onChange.bind(real),
    async get(...asked: Parameters<Store['get']>) {
      reads += 1;
      if (reads === 1) throw new JobError('STORE_BUSY');
      return real.get(...asked);
    },
  });
  const { sent, subscription } = subscribed(t, store, job);
  void subscription.pump();
  await until('it was sent', () => sent.length === 1);
  assert.deepEqual([sent[0]?.params.status, reads], ['working', 2]);
});
