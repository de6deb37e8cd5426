/** From the call that submits to the first line of the handler, while nothing else happens. */
import { setTimeout as pause } from 'node:timers/promises';
import { definitionsOf } from '../src/index.ts';
import { SILENT } from '../src/job/log.ts';
import type { Store } from '../src/store/store.ts';
import { runWorker, supervise } from '../src/worker.ts';
import { openAt, withPlace, type EngineName } from './engine.ts';
import { atMost, type Bench, type Finding } from './finding.ts';
import * as jobs from './jobs.ts';
import { LoneWorker } from './lone.ts';
import { newJob, WHO } from './new-job.ts';
import { percentile, short } from './statistics.ts';

const MODULE = new URL('./jobs.ts', import.meta.url);

/** Starts a worker somewhere; returns how to stop it. */
type StartWorker = (store: Store, address: string) => Promise<() => Promise<void>>;

const optionsFor = (store: Store) => ({
  store,
  definitions: definitionsOf(jobs),
  settings: null,
  concurrency: 1,
  leaseMs: 20_000,
  log: SILENT,
});

const inProcess: StartWorker = async (store) => {
  const worker = runWorker(optionsFor(store));
  return async () => worker.stop(1_000);
};

const supervised: StartWorker = async (store) => {
  const workers = supervise({ ...optionsFor(store), jobs: MODULE, workers: 1 });
  return async () => workers.stop(1_000);
};

/** A worker that has its own connection and learns of jobs from the database alone. */
const lone: StartWorker = async (_store, address) => {
  const worker = await LoneWorker.start(address);
  return async () => worker.stop();
};

/** Milliseconds that half, and that 99 of 100, may take. */
type Bars = readonly [p50: number, p99: number];

export const pickup: Bench = async ({ engine, quick }) => {
  const given = { engine, count: quick ? 60 : 500 };
  const isSqlite = engine === 'sqlite';
  const near: Bars = isSqlite ? [2, 10] : [10, 50];
  const far: Bars = isSqlite ? [4, 10] : [10, 50];
  const another = `another process, by ${isSqlite ? 'the WAL' : 'NOTIFY'}`;
  return [
    ...(await measure('in process', inProcess, { ...given, bars: near })),
    ...(await measure('worker process, told by its server', supervised, { ...given, bars: far })),
    ...(await measure(another, lone, { ...given, bars: far })),
  ];
};

async function measure(
  where: string,
  start: StartWorker,
  given: { readonly engine: EngineName; readonly count: number; readonly bars: Bars },
): Promise<Finding[]> {
  return withPlace(given.engine, async (place) => {
    const address = await place.address('jobs');
    const store = await openAt(address);
    const stop = await start(store, address);
    const times: number[] = [];
    try {
      // The first ones start the worker and warm the code.
      for (let i = -20; i < given.count; i += 1) {
        const ms = await startOfOne(store, where);
        if (i >= 0) times.push(ms);
        await pause(10);
      }
    } finally {
      await stop();
      await store.close();
    }
    const detail = `max ${short(Math.max(...times))} ms of ${times.length}`;
    return ([50, 99] as const).map((p): Finding => {
      const bar = atMost(given.bars[p === 50 ? 0 : 1]);
      const measured = percentile(times, p);
      return { bench: 'pickup', what: `${where}, p${p}`, measured, unit: 'ms', bar, detail };
    });
  });
}

/** Milliseconds until the handler of one job began. */
async function startOfOne(store: Store, where: string): Promise<number> {
  const submittedAt = process.hrtime.bigint();
  const { id } = await store.insert(newJob('stamp', '{}'), 0);
  for (const giveUpAt = performance.now() + 30_000; performance.now() < giveUpAt;) {
    const job = await store.get(id, WHO);
    if (typeof job?.result === 'string') {
      const { ns } = JSON.parse(job.result) as { ns: string };
      return Number(BigInt(ns) - submittedAt) / 1e6;
    }
    await pause(5);
  }
  throw new Error(`${id} was not run within 30 s, ${where}`);
}
