/** Servers that are asked to stop with work in hand: once, and a second time when it takes too long. */
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { monotonic } from '../../src/job/clock.ts';
import { until } from '../support/until.ts';
import {
  atRest,
  percentile,
  withEnding,
  type Fault,
  type FaultRun,
  type Outcome,
} from './fault.ts';
import { Fleet, type Client } from './fleet.ts';
import { marksOf } from './jobs.ts';
import { ENGINES, place } from './place.ts';
import { together } from './sums.ts';

const STOPS_WITHIN_MS = 10_000;
/** A second signal waits for nothing. */
const ENDS_WITHIN_MS = 1_000;
const RUNNING = 50;
/** So many servers, each with a database of its own, are stopped side by side. */
const LANES = 2;
/** 128 and the number of SIGTERM. */
const FORCED = 143;

interface Round {
  readonly client: Client;
  readonly keys: readonly string[];
  readonly isForced: boolean;
}

/** @returns how long it took from the last signal on, and what was wrong */
async function stop(fleet: Fleet, { client, keys, isForced }: Round) {
  const server = await fleet.start();
  const { folder } = fleet.place;
  await Promise.all(keys.map((key) => client.submitSurely('gated', { key }, key)));
  const isBegun = (): boolean => {
    const begun = new Set(marksOf(folder).map(({ key }) => key));
    return keys.every((key) => begun.has(key));
  };
  await until('all run', isBegun);
  let askedAt = monotonic();
  server.kill('SIGTERM');
  // What cannot be answered any more must not be lost either.
  const late = client.submit('quick', { key: `late ${keys[0]}` }, `late ${keys[0]}`);
  if (isForced) {
    await pause(150);
    askedAt = monotonic();
    server.kill('SIGTERM');
  }
  const ended = await server.ended;
  const ms = monotonic() - askedAt;
  await late;
  for (const key of keys) writeFileSync(join(folder, key), '');
  const [code, most] = isForced ? [FORCED, ENDS_WITHIN_MS] : [0, STOPS_WITHIN_MS];
  const wrong = [
    ended !== code && `ended with ${ended}`,
    ms > most && `took ${Math.round(ms)} ms`,
  ].filter((what) => what !== false);
  return { ms, wrong: wrong.map((what) => `${keys[0]}: ${what}`) };
}

async function stops(run: FaultRun, lane: number): Promise<Outcome> {
  const at = await place(run.t, run.engine, tmpdir());
  const [caller] = await at.callers(1);
  if (!caller) throw new Error('nobody calls');
  const settings = { application: 'works', workers: 2, concurrency: RUNNING / 2 } as const;
  const fleet = new Fleet(run.t, at, settings);
  const client = fleet.client(caller, 'ann');
  const violations: string[] = [];
  const times: Record<'asked' | 'forced', number[]> = { asked: [], forced: [] };
  for (let i = 0; i < run.count; i += 1) {
    // The last of every five, and of a short run the last.
    const isForced = i % 5 === 4 || (run.count < 5 && i > 0 && i === run.count - 1);
    const keys = Array.from({ length: RUNNING }, (_, n) => `t${run.seed}-${lane}-${i}-${n}`);
    const { ms, wrong } = await stop(fleet, { client, keys, isForced });
    times[isForced ? 'forced' : 'asked'].push(ms);
    violations.push(...wrong);
  }
  await fleet.start();
  const rest = await atRest(fleet);
  const blamed = rest.remains.jobs.filter(({ attempts }) => attempts > 0).length;
  if (blamed > 0) violations.push(`${blamed} jobs lost an attempt to a stop`);
  return {
    runs: run.count,
    counted: {
      'running jobs': run.count * RUNNING,
      'stop p99 ms': percentile(times.asked, 0.99),
      'of these forced by a second signal': times.forced.length,
      'forced stop p99 ms': percentile(times.forced, 0.99),
    },
    violations: [...violations, ...rest.violations],
  };
}

async function politely(run: FaultRun): Promise<Outcome> {
  const lanes = run.count < 5 * LANES ? 1 : LANES;
  const counts = Array.from({ length: lanes }, (_, i) => Math.floor((run.count + i) / lanes));
  const parts = counts.map((count, lane) => withEnding((t) => stops({ ...run, t, count }, lane)));
  return together(await Promise.all(parts));
}

export const STOPS: Readonly<Record<string, Fault>> = {
  F29: {
    title: `SIGTERM with ${RUNNING} jobs running; each fifth time twice`,
    bar: 'exit 0 within 10 s, work handed back, no attempt counted; a second signal ends it within 1 s, and the work goes on at the next start',
    engines: ENGINES,
    full: 100,
    quick: 2,
    piece: 20,
    run: politely,
  },
};
