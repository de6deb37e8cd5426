/** A store that fails for a moment costs no run, and a stop leaves nothing behind. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { JobError } from '../../src/job/errors.ts';
import type { Claimed, Held } from '../../src/store/store.ts';
import { until } from '../support/until.ts';
import { aClaimed, aWorker, untilStopped } from './played.ts';

const busy = () => Promise.reject(new JobError('STORE_BUSY'));
const turn = () =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

describe('a worker whose store fails for a moment', () => {
  test('writes the end of a run again until it is taken', async (t) => {
    let tries = 0;
    aWorker(t, {
      store: {
        apply(_, { to }) {
          tries += 1;
          return tries < 3 ? busy() : Promise.resolve({ outcome: 'applied', status: to });
        },
      },
    });
    await until('it was taken', () => tries === 3);
    await turn();
    assert.equal(tries, 3);
  });

  test('renews its leases again, and goes on with its runs', async (t) => {
    let renewals = 0;
    const { settled } = aWorker(t, {
      run: untilStopped,
      leaseMs: 60,
      store: {
        renew() {
          renewals += 1;
          return renewals < 3 ? busy() : Promise.resolve([]);
        },
      },
    });
    await until('they are renewed', () => renewals === 5);
    assert.deepEqual(settled, []);
  });

  test('claims again', async (t) => {
    let claims = 0;
    const { settled } = aWorker(t, {
      store: {
        claim() {
          claims += 1;
          const jobs = claims === 2 ? [aClaimed()] : [];
          return claims === 1 ? busy() : Promise.resolve({ jobs, nextDueMs: null });
        },
      },
    });
    await until('its job has ended', () => settled.length === 1);
    assert.equal(settled[0]?.to, 'completed');
  });
});

describe('a worker looks for work', () => {
  test('when the next job that rests is due, and not only each second', async (t) => {
    // Nothing that is repeated happens.
    t.mock.timers.enable({ apis: ['setInterval'] });
    let claims = 0;
    aWorker(t, {
      store: {
        claim() {
          claims += 1;
          return Promise.resolve({ jobs: [], nextDueMs: claims === 1 ? 20 : null });
        },
      },
    });
    await until('it has looked again', () => claims === 2);
  });
});

describe('a worker renews its leases', () => {
  test('at a third of their length', async (t) => {
    t.mock.timers.enable({ apis: ['setInterval'] });
    const renewals: (readonly Held[])[] = [];
    let runs = 0;
    aWorker(t, {
      leaseMs: 15_000,
      run: (input, job) => {
        runs += 1;
        return untilStopped(input, job);
      },
      store: {
        renew(held) {
          renewals.push(held);
          return Promise.resolve([]);
        },
      },
    });
    await until('it runs', () => runs === 1);
    t.mock.timers.tick(4_990);
    assert.equal(renewals.length, 0);
    t.mock.timers.tick(10);
    assert.equal(renewals.length, 1);
    t.mock.timers.tick(10_000);
    assert.equal(renewals.length, 3);
  });

  test('of runs that may still end while it stops', async (t) => {
    const held: string[] = [];
    const ended = Promise.withResolvers<object>();
    let runs = 0;
    const { worker, settled } = aWorker(t, {
      leaseMs: 30,
      run: () => {
        runs += 1;
        return ended.promise;
      },
      store: {
        renew(some) {
          held.push(...some.map(({ lease }) => lease));
          return Promise.resolve([]);
        },
      },
    });
    await until('it runs', () => runs === 1);
    const stopping = worker.stop(60_000);
    held.length = 0;
    await until('its lease is renewed', () => held.length >= 3);
    ended.resolve({});
    await stopping;
    assert.equal(settled[0]?.to, 'completed');
  });
});

describe('a worker that stops', () => {
  test('hands back what a claim on the way brings', async (t) => {
    const claimed = Promise.withResolvers<Claimed>();
    const { worker, settled } = aWorker(t, {
      run: untilStopped,
      store: { claim: () => claimed.promise },
    });
    const stopping = worker.stop(0);
    // By then whoever does not wait for the claim has stopped.
    await turn();
    claimed.resolve({ jobs: [aClaimed()], nextDueMs: null });
    await stopping;
    assert.deepEqual(
      settled.map(({ to, lease, fault }) => [to, lease, fault]),
      [['queued', 'lease_1', undefined]],
    );
  });

  test('ends when the end of its last run is written, and not before', async (t) => {
    const written = Promise.withResolvers<void>();
    let tries = 0;
    const { worker } = aWorker(t, {
      store: {
        async apply(_, { to }) {
          tries += 1;
          await written.promise;
          return { outcome: 'applied', status: to };
        },
      },
    });
    await until('it is written', () => tries === 1);
    let isStopped = false;
    const stopping = worker.stop(0).finally(() => {
      isStopped = true;
    });
    for (let i = 0; i < 10; i += 1) await turn();
    assert.equal(isStopped, false);
    written.resolve();
    await stopping;
  });

  test('leaves no timer behind that would keep its process', async (t) => {
    const timers = () =>
      process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;
    const before = timers();
    const { worker, settled } = aWorker(t, {
      run: (_, job) => {
        job.progress(1, 2);
        return {};
      },
      store: {
        claim: (() => {
          const jobs = [aClaimed()];
          return () => Promise.resolve({ jobs: jobs.splice(0), nextDueMs: 900 });
        })(),
      },
    });
    await until('its job has ended', () => settled.length === 1);
    await worker.stop(60_000);
    await turn();
    assert.equal(timers(), before);
  });
});
