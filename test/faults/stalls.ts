/** Workers that stop without dying, or die without a word. */
import { tmpdir } from 'node:os';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { monotonic } from '../../src/job/clock.ts';
import { LEASE_MS as LEASE_DEFAULT_MS } from '../../src/job/job.ts';
import type { Script } from '../support/child.ts';
import { until } from '../support/until.ts';
import {
  atRest,
  percentile,
  withEnding,
  type Fault,
  type FaultRun,
  type Outcome,
} from './fault.ts';
import { Fleet, kill, type Client } from './fleet.ts';
import { marksOf, type Mark } from './jobs.ts';
import { ENGINES, place, type Place } from './place.ts';
import { Seeded } from './random.ts';
import { together } from './sums.ts';
import { noNamespaces } from './tools.ts';

const LEASE_MS = 1_000;
/** Jobs that one stopped worker holds at once. */
const HELD = 6;

interface Scene {
  readonly at: Place;
  readonly fleet: Fleet;
  readonly client: Client;
}

async function scene(run: FaultRun, workers: number, leaseMs = LEASE_MS): Promise<Scene> {
  const at = await place(run.t, run.engine, tmpdir());
  const [caller] = await at.callers(1);
  if (!caller) throw new Error('nobody calls');
  const fleet = new Fleet(run.t, at, {
    application: 'works',
    leaseMs,
    concurrency: HELD,
  });
  await fleet.start({ workers });
  return { at, fleet, client: fleet.client(caller, 'ann') };
}

const release = ({ at }: Scene, keys: readonly string[]) => {
  for (const key of keys) writeFileSync(join(at.folder, key), '');
};
const begun = ({ at }: Scene, keys: readonly string[]): Mark[] =>
  marksOf(at.folder).filter((mark) => mark.what === 'began' && keys.includes(mark.key));

async function submitted({ client }: Scene, keys: readonly string[]): Promise<string[]> {
  return Promise.all(keys.map((key) => client.submitSurely('gated', { key }, key)));
}

/** When it falls asleep, and what of it: the worker alone, or all of its machine. */
const MOMENTS = ['while it claims', 'in the handler', 'while it settles'] as const;

/** A worker sleeps past its lease and wakes with work in its hands. */
async function zombies(run: FaultRun): Promise<Outcome> {
  const here = await scene(run, 0);
  const random = new Seeded(run.seed);
  const violations: string[] = [];
  const taken: number[] = [];
  const locked: string[] = [];
  const rounds = Math.ceil(run.count / HELD);
  for (let round = 0; round < rounds; round += 1) {
    const moment = MOMENTS[(run.seed + round) % MOMENTS.length] ?? 'in the handler';
    const keys = Array.from({ length: HELD }, (_, n) => `z${run.seed}-${round}-${n}`);
    const wrong = await sleep(here, { random, moment, keys, taken, locked });
    violations.push(...wrong.map((what) => `round ${round}, asleep ${moment}: ${what}`));
  }
  const rest = await atRest(here.fleet);
  const stale = staleSettles(here.fleet);
  return {
    runs: rounds * HELD,
    counted: {
      'refused late writes': stale,
      'taken over within ms (max)': percentile(taken, 1),
      'asleep inside a transaction of SQLite': locked.length,
    },
    violations: [...violations, ...rest.violations],
  };
}

interface Sleep {
  readonly random: Seeded;
  readonly moment: (typeof MOMENTS)[number];
  readonly keys: readonly string[];
  /** How long it took until others had its jobs. */
  readonly taken: number[];
  /** Where it fell asleep in the middle of a transaction, and SQLite lets nobody else write. */
  readonly locked: string[];
}

async function sleep(
  here: Scene,
  { random, moment, keys, taken, locked }: Sleep,
): Promise<string[]> {
  const violations: string[] = [];
  const role = random.isTrue(0.5) ? 'guest' : 'inside';
  const sleeper = await here.fleet.guest(role, { workers: 1 });
  const workers = sleeper.lines.find(({ event }) => event === 'open')?.['pids'] as
    number[] | undefined;
  const machine = [sleeper.pid, ...(workers ?? [])];
  const asleep = moment === 'in the handler' && random.isTrue(0.5) ? machine.slice(-1) : machine;
  const submitting = submitted(here, keys);
  if (moment === 'while it claims') await pause(random.below(40));
  else await until('all run', () => begun(here, keys).length >= HELD);
  if (moment === 'while it settles') {
    release(here, keys);
    const ended = () =>
      marksOf(here.at.folder).some(({ what, key }) => what === 'ended' && keys.includes(key));
    await until('one has ended', ended, { everyMs: 1 });
    await pause(random.below(5));
  }
  for (const pid of asleep) process.kill(pid, 'SIGSTOP');
  const stoppedAt = monotonic();
  const ids = await submitting;
  const when = random.of(['at once', 'after waking', 'while stopped'] as const);
  // What it wakes to: its handlers may end, or find that they should not have gone on.
  if (when === 'at once') release(here, keys);
  const heir = await here.fleet.guest('guest', { workers: 1 });
  const isElsewhere = (key: string) => begun(here, [key]).some(({ pid }) => !asleep.includes(pid));
  const areTaken = async () => keys.every(isElsewhere) || (await here.at.open()) === 0;
  await until('another has taken over', areTaken, { ms: 15_000 })
    .then(() => taken.push(monotonic() - stoppedAt))
    .catch(() => (here.at.isLocked() ? locked : violations).push('nobody took over'));
  if (when === 'while stopped') release(here, keys);
  if (when !== 'after waking' && random.isTrue(0.5) && !here.at.isLocked()) {
    await Promise.all(ids.map((id) => here.client.ended(id)));
  }
  for (const pid of asleep) process.kill(pid, 'SIGCONT');
  release(here, keys);
  await Promise.all(ids.map((id) => here.client.ended(id)));
  // Whoever slept is told; its process lives on and takes new work.
  const late = `${keys[0]}-late`;
  await kill(heir);
  const [after] = await submitted(here, [late]);
  release(here, [late]);
  if (after)
    await here.client
      .ended(after, 20_000)
      .catch(() => violations.push('the sleeper works no more'));
  await kill(sleeper);
  return violations;
}

const staleSettles = (fleet: Fleet): number =>
  fleet.history.entries.filter(
    ({ deed, value }) =>
      deed.op === 'settle' && value !== null && 'applied' in value && !value.applied,
  ).length;

const TUNED_MS = 3_000;
/** A sweep comes each second, and has to be heard of. */
const SWEEP_MS = 1_500;

/** Who dies, with which lease, and how fast its jobs have to be begun again, at the 99th percentile. */
const WAYS: Readonly<Record<string, { leaseMs: number; boundMs: number; victims: number }>> = {
  'worker alone': { leaseMs: LEASE_DEFAULT_MS, boundMs: 2_000, victims: 0 },
  'worker and supervisor': { leaseMs: LEASE_DEFAULT_MS, boundMs: 3_000, victims: 1 },
  'whole machine, lease 3 s': { leaseMs: TUNED_MS, boundMs: 5_000, victims: 4 },
  'whole machine, lease by default': { leaseMs: LEASE_DEFAULT_MS, boundMs: 20_000, victims: 4 },
};
const isMachine = (way: string) => way.startsWith('whole machine');

/** Deaths, and how long each job waits until somebody has begun it again. */
async function deathsOf(
  run: FaultRun,
  way: string,
): Promise<{ times: number[]; violations: readonly string[] }> {
  const { leaseMs, boundMs, victims } = WAYS[way] ?? { leaseMs: 0, boundMs: 0, victims: 0 };
  const here = await scene(run, 0);
  if (victims === 0) {
    here.fleet.server.kill('SIGTERM');
    await here.fleet.server.ended;
    // One at a time: of several in a process nobody would know which to blame.
    await here.fleet.start({ workers: 2, concurrency: 1, leaseMs });
  }
  // In a namespace of its own it cannot be looked up, like a worker on another machine.
  const through = isMachine(way) ? ['unshare', '-p', '-f', '--mount-proc', '--kill-child'] : [];
  const scripts: Script[] = [];
  for (let i = 0; i < victims; i += 1)
    scripts.push(await here.fleet.guest('guest', { workers: 1, leaseMs }, { through }));
  const count = victims === 0 ? 2 : victims * HELD;
  const keys = Array.from({ length: count }, (_, n) =>
    `d${run.seed}-${way}-${n}`.replaceAll(' ', '_'),
  );
  const ids = await submitted(here, keys);
  await until(
    'all run',
    () => new Set(begun(here, keys).map(({ key }) => key)).size === keys.length,
  );
  // That a run began stands in a file at once, that it was claimed is told a moment later.
  const isTold = () => here.fleet.claimed(keys, ids).every(({ process }) => process !== '');
  if (victims > 0) await until('every claim is told', isTold);
  const heldBy = Map.groupBy(here.fleet.claimed(keys, ids), ({ process }) => process);
  if (victims > 0) await here.fleet.guest('guest', { workers: 1, concurrency: count });
  const killedAt = new Map<string, number>();
  const random = new Seeded(run.seed);
  const [first] = begun(here, keys);
  if (victims === 0 && first) {
    killedAt.set(first.key, monotonic());
    process.kill(first.pid, 'SIGKILL');
  }
  await Promise.all(
    scripts.map(async (script) => {
      await pause(random.below(Math.min(leaseMs, 5_000)));
      await kill(script);
      for (const { key } of heldBy.get(`node ${script.pid}`) ?? []) killedAt.set(key, monotonic());
    }),
  );
  const times = new Map<string, number>();
  await until(
    'all were taken over',
    () => {
      for (const [key, at] of killedAt) {
        if (!times.has(key) && begun(here, [key]).length > 1) times.set(key, monotonic() - at);
      }
      return times.size === killedAt.size;
    },
    { ms: boundMs + 15_000, everyMs: 5 },
  ).catch(() => undefined);
  release(here, keys);
  await Promise.all(ids.map((id) => here.client.ended(id, boundMs + 20_000)));
  const rest = await atRest(here.fleet);
  const missing = (victims === 0 ? 1 : count) - times.size;
  return {
    times: [...times.values()],
    violations: [
      ...rest.violations,
      ...(missing > 0 ? [`${way}: ${missing} were never taken over`] : []),
    ],
  };
}

const RESTED_MS = 3_000 + SWEEP_MS;

/** On a quiet server nothing wakes a worker but the clock: a job that rests must be begun all the same. */
async function rested(run: FaultRun): Promise<Outcome> {
  const here = await scene(run, 1, LEASE_DEFAULT_MS);
  const violations: string[] = [];
  const times: number[] = [];
  for (let i = 0; i < Math.max(1, Math.ceil(run.count / 4)); i += 1) {
    const key = `rest-${run.seed}-${i}`;
    const job = await here.client.submitSurely('resting', { key }, key);
    await until('it began', () => begun(here, [key]).length === 1);
    const startedAt = monotonic();
    const again = await until('it began again', () => begun(here, [key]).length === 2, {
      ms: 4 * RESTED_MS,
    }).catch(() => null);
    times.push(monotonic() - startedAt);
    if (!again || (times.at(-1) ?? 0) > RESTED_MS)
      violations.push(`a resting job was begun again after ${times.at(-1)} ms`);
    await here.client.ended(job).catch(() => null);
  }
  const rest = await atRest(here.fleet, {}, 10_000);
  return {
    runs: times.length,
    counted: { 'after a rest of 1.5..3 s: ms (max)': percentile(times, 1) },
    violations: [...violations, ...rest.violations],
  };
}

async function takeovers(run: FaultRun): Promise<Outcome> {
  const violations: string[] = [];
  const counted: Record<string, number | string> = {};
  const isShort = run.count < 4;
  let runs = 0;
  for (const [way, { boundMs }] of Object.entries(WAYS)) {
    if (isShort && way !== 'whole machine, lease 3 s') continue;
    const missing = isMachine(way) ? noNamespaces() : null;
    if (missing !== null) {
      counted[way] = `NOT RUN: ${missing}`;
      continue;
    }
    const times: number[] = [];
    const rounds = isMachine(way) ? Math.ceil(run.count / 2) : run.count;
    for (let i = 0; i < rounds; i += 1) {
      const one = await withEnding((t) => deathsOf({ ...run, t, seed: run.seed + i }, way));
      times.push(...one.times);
      violations.push(...one.violations);
      runs += one.times.length;
    }
    const p99 = percentile(times, 0.99);
    counted[`${way}: p50 ms`] = percentile(times, 0.5);
    counted[`${way}: p99 ms`] = p99;
    if (p99 > boundMs) violations.push(`${way}: p99 is ${p99} ms, more than ${boundMs}`);
  }
  return { runs, counted, violations };
}

export const STALLS: Readonly<Record<string, Fault>> = {
  F9: {
    title:
      'a worker, or all of its machine, sleeps (SIGSTOP) past its lease and wakes: claiming, in the handler, settling',
    bar: '0 late writes accepted; the sleeper is told and works on',
    engines: ENGINES,
    full: 120,
    quick: 12,
    run: zombies,
  },
  F14: {
    title: 'how fast the jobs of a dead worker are begun again',
    bar: 'p99 20 s by default and 5 s with a lease of 3 s where a whole machine falls silent; 3 s on one machine',
    engines: ENGINES,
    alone: true,
    full: 4,
    quick: 1,
    run: async (run) =>
      together([await takeovers(run), await withEnding((t) => rested({ ...run, t }))]),
  },
};
