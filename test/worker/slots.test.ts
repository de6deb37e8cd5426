/** How many jobs a worker asks for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { defineJob, definitionsOf } from '../../src/job/definition.ts';
import { SILENT } from '../../src/job/log.ts';
import { Worker } from '../../src/worker/worker.ts';
import { aJobThatIs } from '../support/a-job.ts';
import { tempStore } from '../support/temp.ts';
import { until } from '../support/until.ts';

test('a worker asks for as many jobs as it has free slots, and for none when it is full', async (t) => {
  const job = await aJobThatIs(await tempStore(t), 'running', { tool: 'print' });
  const asked: number[] = [];
  const ends: (() => void)[] = [];
  let wake = () => {};
  const print = defineJob({
    name: 'print',
    description: 'Ends when it may.',
    input: z.object({}),
    output: z.object({}),
    run: () => {
      const { promise, resolve } = Promise.withResolvers<Record<string, never>>();
      ends.push(() => resolve({}));
      return promise;
    },
  });
  const worker = new Worker({
    id: 'wrk_1',
    definitions: definitionsOf({ print }),
    settings: null,
    concurrency: 3,
    leaseMs: 60_000,
    maxRunningPerTeam: 0,
    log: SILENT,
    store: {
      claim({ limit }) {
        asked.push(limit);
        const id = `mjb_${asked.length}`;
        return Promise.resolve({ jobs: [{ ...job, id, lease: id }], nextDueMs: null });
      },
      apply: (_, { to }) => Promise.resolve({ outcome: 'applied', status: to }),
      renew: () => Promise.resolve([]),
      progress: () => Promise.resolve(true),
      onDue(listener) {
        wake = listener;
        return () => {};
      },
    },
  });
  t.after(async () => {
    const stopped = worker.stop(0);
    for (const end of ends) end();
    await stopped;
  });
  for (const running of [1, 2, 3]) {
    await until('the next one runs', () => ends.length === running);
    wake();
  }
  wake();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(asked, [3, 2, 1]);
  ends[0]?.();
  await until('its slot is filled', () => ends.length === 4);
  assert.deepEqual(asked, [3, 2, 1, 1]);
});

test('a worker that nobody wakes looks for jobs all the same', async (t) => {
  let claims = 0;
  const worker = new Worker({
    id: 'wrk_1',
    definitions: new Map(),
    settings: null,
    concurrency: 1,
    leaseMs: 60_000,
    maxRunningPerTeam: 0,
    log: SILENT,
    store: {
      claim() {
        claims += 1;
        return Promise.resolve({ jobs: [], nextDueMs: null });
      },
      apply: (_, { to }) => Promise.resolve({ outcome: 'applied', status: to }),
      renew: () => Promise.resolve([]),
      progress: () => Promise.resolve(true),
      onDue: () => () => {},
    },
  });
  t.after(() => worker.stop(0));
  await until('it has looked again, twice', () => claims >= 3);
});
