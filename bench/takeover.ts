/** From the end of a worker to the next run of each of its jobs, by another worker. */
import { setTimeout as pause } from 'node:timers/promises';
import { SILENT } from '../src/job/log.ts';
import { cancel } from '../src/job/transitions.ts';
import type { Store } from '../src/store/store.ts';
import { startSweeper } from '../src/worker.ts';
import { openAt, withPlace } from './engine.ts';
import { atMost, type Bench, type Finding } from './finding.ts';
import { LoneWorker } from './lone.ts';
import { newJob, WHO } from './new-job.ts';
import { median, percentile, short } from './statistics.ts';

const JOBS = 50;
const GIVE_UP_MS = 60_000;
const YEAR_MS = 31_536_000_000;

interface Case {
  readonly what: string;
  readonly leaseMs: number;
  /** Killed, as is seen on this machine; or silent, as if its machine were gone. */
  readonly end: 'kill' | 'freeze';
  readonly limitS: number;
}

const CASES: readonly Case[] = [
  { what: 'a killed worker of this machine', leaseMs: 15_000, end: 'kill', limitS: 5 },
  { what: 'a silent worker, lease 3 s', leaseMs: 3_000, end: 'freeze', limitS: 5 },
  { what: 'a silent worker, lease 15 s (default)', leaseMs: 15_000, end: 'freeze', limitS: 20 },
];

export const takeover: Bench = async ({ engine, quick }) =>
  withPlace(engine, async (place) => {
    const findings: Finding[] = [];
    for (const [index, given] of CASES.slice(0, quick ? 2 : 3).entries()) {
      const seconds = await secondsOf(await place.address(`of${index}`), given);
      findings.push({
        bench: 'takeover',
        what: `${JOBS} jobs of ${given.what}, p99`,
        measured: percentile(seconds, 99),
        unit: 's',
        bar: atMost(given.limitS),
        detail: `p50 ${short(median(seconds))} s`,
      });
    }
    return findings;
  });

async function secondsOf(address: string, { leaseMs, end }: Case): Promise<number[]> {
  const store = await openAt(address);
  const stopSweeping = startSweeper({ store, retentionMs: YEAR_MS, log: SILENT });
  const first = await LoneWorker.start(address, { concurrency: JOBS, leaseMs });
  const jobs = Array.from({ length: JOBS }, () => newJob('hold', '{}'));
  await Promise.all(jobs.map(async (job) => store.insert(job, 0)));
  await Promise.all(jobs.map(async ({ id }) => begun(store, id, 1)));
  const second = await LoneWorker.start(address, { concurrency: JOBS, leaseMs });
  const endedAt = performance.now();
  if (end === 'kill') first.kill();
  else first.freeze();
  const times = await Promise.all(jobs.map(async ({ id }) => begun(store, id, 2)));
  first.kill();
  await Promise.all(jobs.map(async ({ id }) => store.applyAs(id, WHO, cancel('req_bench'))));
  await second.stop();
  await stopSweeping();
  await store.close();
  return times.map((at) => (at - endedAt) / 1_000);
}

/** When a run of this number was first seen. */
async function begun(store: Store, id: string, run: number): Promise<number> {
  for (const giveUpAt = performance.now() + GIVE_UP_MS; performance.now() < giveUpAt;) {
    if ((await store.get(id, WHO))?.runs === run) return performance.now();
    await pause(20);
  }
  throw new Error(`${id} was not run ${run} times within ${GIVE_UP_MS} ms`);
}
