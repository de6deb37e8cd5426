/** Every run that goes on has its lease renewed, whatever it does meanwhile. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { defineJob, definitionsOf } from '../../src/job/definition.ts';
import type { Job } from '../../src/job/job.ts';
import { SILENT } from '../../src/job/log.ts';
import type { Held } from '../../src/store/store.ts';
import { Worker } from '../../src/worker/worker.ts';
import { aJobThatIs } from '../support/a-job.ts';
import { tempStore, type Ending } from '../support/temp.ts';
import { until } from '../support/until.ts';

/** A worker whose runs never end and tell of progress all the time. */
async function aWorker(t: Ending) {
  const store = await tempStore(t);
  const job = await aJobThatIs(store, 'running', { tool: 'print' });
  const told = { done: 1, total: 2, message: null };
  const toGive: Job[] = [
    { ...job, id: 'mjb_1', lease: 'first' },
    { ...job, id: 'mjb_2', lease: 'second', runs: 2, progress: told },
    { ...job, id: 'mjb_3', lease: 'third', attempts: 1, alone: false },
  ];
  const signals = new Map<string, AbortSignal>();
  const renewals: (readonly Held[])[] = [];
  let lost: readonly string[] = [];
  const print = defineJob({
    name: 'print',
    description: 'Never ends.',
    input: z.object({}),
    output: z.object({}),
    run: (_, { id, signal, progress }) => {
      signals.set(id, signal);
      const timer = setInterval(() => progress(1, 2), 5);
      return new Promise((resolve) => {
        signal.addEventListener('abort', () => {
          clearInterval(timer);
          resolve({});
        });
      });
    },
  });
  const worker = new Worker({
    id: 'wrk_1',
    definitions: definitionsOf({ print }),
    settings: null,
    concurrency: 3,
    leaseMs: 90,
    maxRunningPerTeam: 0,
    log: SILENT,
    store: {
      claim: () => Promise.resolve({ jobs: toGive.splice(0), nextDueMs: null }),
      apply: (_, { to }) => Promise.resolve({ outcome: 'applied', status: to }),
      renew(held) {
        renewals.push(held);
        return Promise.resolve(lost);
      },
      progress: () => Promise.resolve(true),
      onDue: () => () => {},
    },
  });
  t.after(() => worker.stop(0));
  await until('all run', () => signals.size === 3);
  const lose = (ids: readonly string[]) => {
    lost = ids;
  };
  return { renewals, signals, lose };
}

test('all runs of a worker are renewed together, those that tell of progress too', async (t) => {
  const { renewals } = await aWorker(t);
  const asked = renewals.length;
  await until('they are renewed three times', () => renewals.length >= asked + 3);
  for (const held of renewals.slice(asked)) {
    assert.deepEqual(
      held.map(({ lease }) => lease),
      ['first', 'second', 'third'],
    );
  }
});

test('a run whose lease was lost is told to stop, and the others go on', async (t) => {
  const { signals, lose, renewals } = await aWorker(t);
  lose(['mjb_2']);
  await until('it is told', () => signals.get('mjb_2')?.aborted);
  assert.equal(signals.get('mjb_2')?.reason, 'lost');
  const asked = renewals.length;
  await until('the others are renewed', () => renewals.length > asked);
  assert.deepEqual(
    renewals.at(-1)?.map(({ lease }) => lease),
    ['first', 'third'],
  );
  assert.deepEqual([signals.get('mjb_1')?.aborted, signals.get('mjb_3')?.aborted], [false, false]);
});
