/** A cancel that meets a claim half way, or comes from another process. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { cancel } from '../../src/job/transitions.ts';
import type { Store } from '../../src/store/store.ts';
import { openStore } from '../../src/sqlite.ts';
import { runWorker } from '../../src/worker.ts';
import { aJob, who } from '../support/a-job.ts';
import { postgresStores } from '../support/postgres.ts';
import { tempFolder, tempStore, type Ending } from '../support/temp.ts';
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

/** Two stores on one database, as of two processes. */
const PAIRS: Record<string, (t: Ending) => Promise<readonly Store[]>> = {
  SQLite: async (t) => {
    const path = join(tempFolder(t), 'jobs.db');
    const stores = [await openStore(path, { migrations: [jobs.PIECES] }), await openStore(path)];
    for (const store of stores) t.after(() => store.close());
    return stores;
  },
  PostgreSQL: async (t) => (await postgresStores(t, 2)).stores,
};

/** So much is told that which job was cancelled is not. */
async function cancelAmongMany(store: Store, id: string): Promise<void> {
  const others = Array.from({ length: 400 }, () => store.insert(aJob({ tool: 'unknown' }), 0));
  await Promise.all(others);
  await store.applyAs(id, who(), cancel('req_test'));
}

for (const [engine, pair] of Object.entries(PAIRS)) {
  test(`a handler hears of a cancel of another process, on ${engine}`, async (t) => {
    const [store, other] = await pair(t);
    assert.ok(store && other);
    const works = await startWorks(t, { store, leaseMs: 60_000 });
    const id = await works.submit('gated', 'here');
    await works.marked('began', 'here');
    await cancelAmongMany(other, id);
    await works.marked('stopped', 'here', SOON_MS);
  });

  test(`and so does one in the process of the server, on ${engine}`, async (t) => {
    const [store, other] = await pair(t);
    assert.ok(store && other);
    const folder = tempFolder(t);
    const seen = { store, settings: { folder }, log: collectingLog([]), leaseMs: 60_000 };
    const worker = runWorker({ ...seen, definitions });
    t.after(() => worker.stop(0));
    const marked = (what: string) => () => jobs.marksIn(folder).some((mark) => mark.what === what);
    const job = aJob({ tool: 'gated', input: '{"key":"there"}', timeoutMs: 60_000 });
    const { id } = await store.insert(job, 0);
    await until('it runs', marked('began'));
    await cancelAmongMany(other, id);
    await until('it is told', marked('stopped'), { ms: SOON_MS });
  });
}
