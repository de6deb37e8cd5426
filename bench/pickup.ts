/** From the call that submits to the first line of the handler, while nothing else happens. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { definitionsOf } from '../src/index.ts';
import { SILENT } from '../src/job/log.ts';
import { openStore } from '../src/sqlite.ts';
import type { Store } from '../src/store/store.ts';
import { runWorker, supervise } from '../src/worker.ts';
import { atMost, type Bench, type Finding } from './finding.ts';
import { withFolder } from './folder.ts';
import * as jobs from './jobs.ts';
import { newJob, WHO } from './new-job.ts';
import { percentile, short } from './statistics.ts';

const MODULE = new URL('./jobs.ts', import.meta.url);

/** Starts a worker somewhere; returns how to stop it. */
type StartWorker = (store: Store, path: string) => Promise<() => Promise<void>>;

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

/** A worker that has its own connection and learns of jobs from the file alone. */
const lone: StartWorker = async (_store, path) => {
  const child = fork(fileURLToPath(new URL('./lone-worker.ts', import.meta.url)), [path]);
  await once(child, 'message');
  return async () => {
    const gone = once(child, 'exit');
    child.disconnect();
    await gone;
  };
};

export const pickup: Bench = async ({ quick }) => {
  const count = quick ? 60 : 500;
  return [
    ...(await measure('in process', inProcess, { p50: 2, count })),
    ...(await measure('worker process, told by its server', supervised, { p50: 4, count })),
    ...(await measure('another process, by the WAL', lone, { p50: 4, count })),
  ];
};

async function measure(
  where: string,
  start: StartWorker,
  given: { readonly p50: number; readonly count: number },
): Promise<Finding[]> {
  return withFolder(async (folder) => {
    const path = join(folder, 'jobs.db');
    const store = await openStore(path);
    const stop = await start(store, path);
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
      const bar = atMost(p === 50 ? given.p50 : 10);
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
