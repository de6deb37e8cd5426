/** Every run that goes on has its lease renewed, whatever it does meanwhile. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { defineJob, definitionsOf } from '../../src/job/definition.ts';
import type { Job } from '../../src/job/job.ts';
import { SILENT } from '../../src/job/log.ts';
import type { Held, Store } from '../../src/store/store.ts';
import { GRACE_MS } from '../../src/worker/guardian-thread.ts';
import { Worker } from '../../src/worker/worker.ts';
import { aJobThatIs } from '../support/a-job.ts';
import { isAlive } from '../support/child.ts';
import { tempStore, type Ending } from '../support/temp.ts';
import { until } from '../support/until.ts';
import { startWorks } from './works.ts';

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

interface HeldBack {
  /** How many runs a renewal that is held back has at least. */
  readonly count: number;
  readonly goOn: Promise<void>;
  readonly seen: { asked: number; lost: string[] };
}

/** The same store; its renewals wait until they may go on. */
function heldBack(store: Store, { count, goOn, seen }: HeldBack): Store {
  return new Proxy(store, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      if (name !== 'renew') return member.bind(target) as unknown;
      return async (runs: readonly Held[], leaseMs: number) => {
        if (runs.length < count) return target.renew(runs, leaseMs);
        seen.asked += 1;
        await goOn;
        const lost = await target.renew(runs, leaseMs);
        seen.lost.push(...lost);
        return lost;
      };
    },
  });
}

test('a run that has ended while it was renewed is not stopped, and its company goes on', async (t) => {
  const { promise, resolve: goOn } = Promise.withResolvers<void>();
  const seen = { asked: 0, lost: [] as string[] };
  const works = await startWorks(t, {
    concurrency: 2,
    leaseMs: 3_000,
    around: (store) => heldBack(store, { count: 2, goOn: promise, seen }),
  });
  const [short, long] = [await works.submit('gated', 'short'), await works.submit('gated', 'long')];
  const { pid } = await works.marked('began', 'short');
  await until('both are to be renewed', () => seen.asked > 0);
  writeFileSync(join(works.folder, 'short'), '');
  assert.equal((await works.ended(short)).status, 'completed');
  goOn();
  await until('the store has said which lease is lost', () => seen.lost.length > 0);
  assert.deepEqual(new Set(seen.lost), new Set([short]));
  // A process in which a run goes on after the word to stop is ended by then.
  await pause(GRACE_MS + 1_000);
  assert.equal(isAlive(pid), true);
  writeFileSync(join(works.folder, 'long'), '');
  const { status, attempts, runs } = await works.ended(long);
  assert.deepEqual([status, attempts, runs], ['completed', 0, 1]);
  assert.ok(!works.log.some(({ message }) => message.includes('no longer held')));
});
