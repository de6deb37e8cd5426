/** A cancel that meets a claim half way. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cancel } from '../../src/job/transitions.ts';
import type { Store } from '../../src/store/store.ts';
import { runWorker } from '../../src/worker.ts';
import { aJob, who } from '../support/a-job.ts';
import { tempFolder, tempStore } from '../support/temp.ts';
import { until } from '../support/until.ts';
import * as jobs from '../support/jobs.ts';
import { collectingLog, definitions, startWorks } from './works.ts';

/** Less than the third of a lease, at which a worker learns what it has lost in any case. */
const SOON_MS = 4_000;

/** Cancels every job of one tool in the moment in which it is claimed, before the worker hears of it. */
function cancelling(store: Store, tool: string): Store {
  return new Proxy(store, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      if (name !== 'claim') return member.bind(target) as unknown;
      return async (request: Parameters<Store['claim']>[0]) => {
        const claimed = await target.claim(request);
        for (const job of claimed.jobs.filter((one) => one.tool === tool)) {
          await target.applyAs(job.id, who(), cancel('req_test'));
        }
        return claimed;
      };
    },
  });
}

test('a job that is cancelled while its claim is on the way does not keep a worker', async (t) => {
  const works = await startWorks(t, { around: (store) => cancelling(store, 'gated') });
  const unwanted = await works.submit('gated', 'never');
  const next = await works.submit('quick', 'next');
  assert.equal((await works.ended(next, SOON_MS)).status, 'completed');
  assert.equal((await works.get(unwanted)).status, 'cancelled');
});

test('nor the worker of a server without worker processes', async (t) => {
  const folder = tempFolder(t);
  const store = await tempStore(t, { migrations: [jobs.PIECES] });
  const seen = { store: cancelling(store, 'gated'), settings: { folder }, log: collectingLog([]) };
  const worker = runWorker({ ...seen, definitions });
  t.after(() => worker.stop(0));
  const submit = (tool: string) => store.insert(aJob({ tool, input: '{"key":"k"}' }), 0);
  await submit('gated');
  const { id } = await submit('quick');
  const isDone = async () => (await store.get(id, who()))?.status === 'completed';
  await until('the next job is completed', isDone, { ms: SOON_MS });
});
