/** A worker that slept past its lease is given a job again that it is still at. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { defineJob, definitionsOf } from '../../src/job/definition.ts';
import type { Job } from '../../src/job/job.ts';
import { SILENT } from '../../src/job/log.ts';
import { handBack, type Change } from '../../src/job/transitions.ts';
import { openStore } from '../../src/sqlite.ts';
import type { Held } from '../../src/store/store.ts';
import { GRACE_MS } from '../../src/worker/guardian-thread.ts';
import { Worker } from '../../src/worker/worker.ts';
import { aJobThatIs } from '../support/a-job.ts';
import { isAlive } from '../support/child.ts';
import * as jobs from '../support/jobs.ts';
import { tempFolder, tempStore, type Ending } from '../support/temp.ts';
import { until } from '../support/until.ts';
import { startWorks } from './works.ts';

/** A worker whose store gives it the same job twice, under the leases `first` and `second`. */
async function givenTwice(t: Ending) {
  const job = await aJobThatIs(await tempStore(t), 'running', { tool: 'print' });
  const signals: AbortSignal[] = [];
  const settled: Change[] = [];
  const renewals: { held: readonly Held[]; answer: (lost: readonly string[]) => void }[] = [];
  const toGive: Job[] = [{ ...job, lease: 'first' }];
  const wakes: (() => void)[] = [];
  const goOn = new AbortController();
  const print = defineJob({
    name: 'print',
    description: 'Ends when it may.',
    input: z.object({}),
    output: z.object({}),
    run: (_, { signal }) => {
      signals.push(signal);
      return new Promise((resolve) => {
        goOn.signal.addEventListener('abort', () => resolve({}));
      });
    },
  });
  const worker = new Worker({
    id: 'wrk_1',
    definitions: definitionsOf({ print }),
    settings: null,
    concurrency: 2,
    leaseMs: 90,
    maxRunningPerTeam: 0,
    log: SILENT,
    store: {
      claim: () => Promise.resolve({ jobs: toGive.splice(0), nextDueMs: null }),
      apply(_, change) {
        settled.push(change);
        return Promise.resolve({ outcome: 'applied', status: change.to });
      },
      renew: (held) => new Promise((answer) => renewals.push({ held, answer })),
      progress: () => Promise.resolve(true),
      onDue(listener) {
        wakes.push(listener);
        return () => {};
      },
    },
  });
  t.after(() => {
    goOn.abort();
    return worker.stop(0);
  });
  const give = async (lease: string): Promise<void> => {
    const before = signals.length;
    toGive.push({ ...job, lease });
    for (const wake of wakes) wake();
    await until('it runs again', () => signals.length > before);
  };
  await until('it runs', () => signals.length === 1);
  return { id: job.id, give, goOn, signals, settled, renewals };
}

describe('a job that a worker is given again while it is still at it', () => {
  test('the older run is told to stop, and only the newer one is renewed and ends the job', async (t) => {
    const { give, goOn, signals, settled, renewals } = await givenTwice(t);
    await give('second');
    assert.deepEqual(
      signals.map(({ aborted }) => aborted),
      [true, false],
    );
    const asked = renewals.length;
    await until('it is renewed', () => renewals.length > asked);
    assert.deepEqual(
      renewals.at(-1)?.held.map(({ lease }) => lease),
      ['second'],
    );
    goOn.abort();
    await until('it has ended', () => settled.length > 0);
    assert.deepEqual(
      settled.map(({ lease, to }) => [lease, to]),
      [['second', 'completed']],
    );
  });

  test('a late word that the older lease is lost does not stop the newer run', async (t) => {
    const { id, give, signals, renewals } = await givenTwice(t);
    await until('the older is renewed', () => renewals.length > 0);
    await give('second');
    renewals[0]?.answer([id]);
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    assert.equal(signals[1]?.aborted, false);
  });

  test('a process that has let the older run go is not ended for the newer one', async (t) => {
    const path = join(tempFolder(t), 'jobs.db');
    const store = await openStore(path, { migrations: [jobs.PIECES] });
    t.after(() => store.close());
    const other = await openStore(path);
    t.after(() => other.close());
    const works = await startWorks(t, { store, leaseMs: 60_000 });
    const id = await works.submit('gated', 'twice');
    const { pid } = await works.marked('began', 'twice');
    // As another process does it when a lease has run out.
    await other.apply(id, handBack(await works.get(id)));
    await until('it is begun anew', () => works.marks('twice').length === 2);
    await pause(GRACE_MS + 2_000);
    assert.equal(isAlive(pid), true);
    writeFileSync(join(works.folder, 'twice'), '');
    const { status, attempts, runs } = await works.ended(id);
    assert.deepEqual([status, attempts, runs], ['completed', 0, 2]);
  });
});
