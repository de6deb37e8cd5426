/** A worker is made known to the store at once, and again and again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SILENT } from '../../src/job/log.ts';
import type { Store, WorkerIdentity } from '../../src/store/store.ts';
import { runWorker } from '../../src/worker.ts';
import { identityOf } from '../../src/store/process-identity.ts';
import { tempStore } from '../support/temp.ts';
import { until } from '../support/until.ts';
import { definitions, startWorks } from './works.ts';

/** The store, and what it was told of workers. */
function listening(store: Store) {
  const beats: WorkerIdentity[] = [];
  const heard = new Proxy(store, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      if (name !== 'beat') return member.bind(target) as unknown;
      return async (worker: WorkerIdentity) => {
        beats.push(worker);
        if (beats.length === 2) throw new Error('no');
        return target.beat(worker);
      };
    },
  });
  return { beats, heard };
}

const tools = [...definitions.keys()];

test('a worker in this process, until it is stopped', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const { beats, heard } = listening(await tempStore(t));
  const worker = runWorker({ store: heard, definitions, log: SILENT });
  const self = identityOf(process.pid);
  assert.deepEqual(
    beats.map(({ process: own, supervisor, tools: known }) => [own, supervisor, known]),
    [[self, self, tools]],
  );
  await until('the store knows it', async () => (await heard.health()).workers === 1);
  t.mock.timers.tick(10_000);
  assert.equal(beats.length, 3);
  assert.equal(new Set(beats.map(({ id }) => id)).size, 1);
  await worker.stop(0);
  t.mock.timers.tick(10_000);
  assert.equal(beats.length, 3);
});

test('a worker process, by its supervisor, until it has ended', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const { beats, heard } = listening(await tempStore(t));
  const works = await startWorks(t, { store: heard });
  await until('it is made known', () => beats.length === 1);
  const [pid = 0] = works.workers.pids();
  const [first] = beats;
  assert.deepEqual(
    [first?.process, first?.supervisor, first?.tools],
    [identityOf(pid), identityOf(process.pid), tools],
  );
  t.mock.timers.tick(10_000);
  assert.equal(beats.length, 3);
  await works.workers.stop(0);
  t.mock.timers.tick(10_000);
  assert.equal(beats.length, 3);
});
