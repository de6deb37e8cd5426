/** 20,000 trivial jobs that are queued already, to the last completion, by one worker. */
import { setTimeout as pause } from 'node:timers/promises';
import { definitionsOf } from '../src/index.ts';
import { SILENT } from '../src/job/log.ts';
import { runWorker, supervise } from '../src/worker.ts';
import { BareBoss } from './boss.ts';
import { openAt, withPlace, type Place } from './engine.ts';
import { queue } from './fill.ts';
import { atLeast, type Bench, type Finding } from './finding.ts';
import * as jobs from './jobs.ts';
import { alternate, both, ratio, short, type Measured } from './statistics.ts';

const MODULE = new URL('./jobs.ts', import.meta.url);
const GIVE_UP_MS = 180_000;
const CONCURRENCIES = { sqlite: [1, 10, 50], postgres: [10, 50, 200, 1_000] };
/** Batches of bare pg-boss, and how many loops fetch and complete them at once. */
const BATCHES = [50, 200, 1_000, 2_000];
const LOOPS = [1, 4];

interface Given {
  readonly count: number;
  readonly concurrency: number;
  readonly inProcess: boolean;
}

export const drain: Bench = async ({ engine, pairs, quick }) => {
  const count = quick ? 2_000 : 20_000;
  const findings: Finding[] = [];
  await withPlace(engine, async (place) => {
    if (engine === 'postgres') findings.push(...(await againstBoss(place, count, pairs)));
    for (const inProcess of [false, true]) {
      for (const concurrency of CONCURRENCIES[engine]) {
        const { perSecond, processorUs } = await drained(place, { count, concurrency, inProcess });
        const where = inProcess ? 'in process' : 'worker process';
        const what = `${count} trivial jobs, ${where}, concurrency ${concurrency}`;
        const detail = inProcess ? `${short(processorUs)} µs of processor time for each` : '';
        findings.push({ bench: 'drain', what, measured: perSecond, unit: '/s', bar: null, detail });
      }
    }
  });
  return findings;
};

/** The batch that suits pg-boss best is looked for first, with one loop and with several. */
async function againstBoss(place: Place, count: number, pairs: number): Promise<Finding[]> {
  const boss = await BareBoss.start(await place.address('bare'));
  const bare = async (batch: number, loops: number): Promise<Measured> => {
    await boss.fill(count);
    const used = place.processorMs();
    const ms = await boss.drain(batch, loops);
    const processorUs = ((place.processorMs() - used) * 1_000) / count;
    return { perSecond: count / (ms / 1_000), processorUs };
  };
  const findings: Finding[] = [];
  for (const loops of LOOPS) {
    const tried: { batch: number; perSecond: number }[] = [];
    for (const batch of BATCHES) tried.push({ batch, ...(await bare(batch, loops)) });
    const best = tried.reduce((a, b) => (b.perSecond > a.perSecond ? b : a)).batch;
    const found = await alternate(
      Math.min(pairs, 5),
      async () => drained(place, { count, concurrency: 1_000, inProcess: true }),
      async () => bare(best, loops),
    );
    const what = `concurrency 1,000 : bare pg-boss, ${loops} loop(s), batches of ${best}`;
    const perSecond = (of: Measured) => of.perSecond;
    const processorUs = (of: Measured) => of.processorUs;
    findings.push(
      {
        bench: 'drain',
        what,
        measured: ratio(found, perSecond),
        unit: 'x',
        bar: atLeast(0.4),
        detail: both(found, perSecond, '/s'),
      },
      {
        bench: 'drain',
        what: `${what}, processor time`,
        measured: ratio(found, processorUs),
        unit: 'x',
        bar: null,
        detail: both(found, processorUs, 'µs'),
      },
    );
  }
  await boss.stop();
  return findings;
}

let made = 0;

/** From the first claim to the last completion. */
async function drained(place: Place, given: Given): Promise<Measured> {
  const { concurrency, count } = given;
  made += 1;
  const address = await place.address(`drain${made}`);
  await queue(address, 'trivial', count);
  const store = await openAt(address);
  const definitions = definitionsOf(jobs);
  const options = { store, definitions, settings: null, concurrency, leaseMs: 20_000, log: SILENT };
  let [firstAt, used, completed] = [0, 0, 0];
  const last = new Promise<Measured>((resolve) => {
    store.onChange((notice) => {
      if (notice?.status === 'running' && firstAt === 0) firstAt = performance.now();
      if (notice?.status === 'completed') completed += 1;
      if (completed !== count) return;
      const perSecond = count / ((performance.now() - firstAt) / 1_000);
      resolve({ perSecond, processorUs: ((place.processorMs() - used) * 1_000) / count });
    });
  });
  used = place.processorMs();
  const workers = given.inProcess
    ? runWorker(options)
    : supervise({ ...options, jobs: MODULE, workers: 1 });
  const late = new AbortController();
  try {
    return await Promise.race([
      last,
      pause(GIVE_UP_MS, null, { signal: late.signal }).then(() => {
        throw new Error(`${completed} of ${count} jobs were completed in ${GIVE_UP_MS} ms`);
      }),
    ]);
  } finally {
    late.abort();
    await workers.stop(1_000);
    await store.close();
  }
}
