/** Workers that stop without dying, or die without a word. */
import { tmpdir } from 'node:os';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
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
import { Fleet, kill, type Client } from './fleet.ts';
import { marksOf, type Mark } from './jobs.ts';
import { together } from './kills.ts';
import { ENGINES, place, type Place } from './place.ts';
import { Seeded } from './random.ts';
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

/** A worker sleeps past its lease and wakes with work in its hands. */
async function zombies(run: FaultRun): Promise<Outcome> {
  const here = await scene(run, 0);
  const random = new Seeded(run.seed);
  const violations: string[] = [];
  const taken: number[] = [];
  const rounds = Math.ceil(run.count / HELD);
  let stopped = 0;
  for (let round = 0; round < rounds; round += 1) {
    const role = random.isTrue(0.5) ? 'guest' : 'inside';
    const sleeper = await here.fleet.guest(role, { workers: 1 });
    const keys = Array.from({ length: HELD }, (_, n) => `z${run.seed}-${round}-${n}`);
    const ids = await submitted(here, keys);
    await until('all run', () => begun(here, keys).length >= HELD);
    const pid = begun(here, keys)[0]?.pid ?? 0;
    process.kill(pid, 'SIGSTOP');
    const stoppedAt = monotonic();
    const when = random.of(['at once', 'after waking', 'while stopped'] as const);
    // What it wakes to: its handlers may end, or find that they should not have gone on.
    if (when === 'at once') release(here, keys);
    const heir = await here.fleet.guest('guest', { workers: 1 });
    await until('another has taken over', () => begun(here, keys).length >= 2 * HELD, {
      ms: 15_000,
    }).catch(() => violations.push(`round ${round}: nobody took over`));
    taken.push(monotonic() - stoppedAt);
    if (when === 'while stopped') release(here, keys);
    if (when !== 'after waking' && random.isTrue(0.5)) {
      await Promise.all(ids.map((id) => here.client.ended(id)));
    }
    process.kill(pid, 'SIGCONT');
    release(here, keys);
    await Promise.all(ids.map((id) => here.client.ended(id)));
    // Whoever slept is told; its process lives on and takes new work.
    const late = `z${run.seed}-${round}-late`;
    await kill(heir);
    const [after] = await submitted(here, [late]);
    release(here, [late]);
    if (after)
      await here.client
        .ended(after, 20_000)
        .catch(() => violations.push(`round ${round}: the sleeper works no more`));
    stopped += HELD;
    await kill(sleeper);
  }
  const rest = await atRest(here.fleet);
  const stale = staleSettles(here.fleet);
  return {
    runs: stopped,
    counted: {
      'refused late writes': stale,
      'taken over within ms (max)': percentile(taken, 1),
    },
    violations: [...violations, ...rest.violations],
  };
}

const staleSettles = (fleet: Fleet): number =>
  fleet.history.entries.filter(
    ({ deed, value }) =>
      deed.op === 'settle' && value !== null && 'applied' in value && !value.applied,
  ).length;

const TUNED_MS = 3_000;
const DEFAULT_MS = 20_000;
/** A sweep comes each second, and has to be heard of. */
const SWEEP_MS = 1_500;

const WAYS = {
  'supervised worker': { boundMs: 2_000 },
  'worker and its supervisor': { boundMs: 3_000 },
  'worker elsewhere, lease 3 s': { boundMs: TUNED_MS + SWEEP_MS },
  'worker elsewhere, lease 20 s': { boundMs: DEFAULT_MS + SWEEP_MS },
} as const;
type Way = keyof typeof WAYS;

/** One death, and how long each of its jobs waits until somebody has begun it again. */
async function deathOf(
  run: FaultRun,
  way: Way,
): Promise<{ times: number[]; violations: readonly string[] }> {
  const leaseMs = way.includes('20 s') ? DEFAULT_MS : TUNED_MS;
  const here = await scene(run, 0);
  const isServers = way === 'supervised worker';
  if (isServers) {
    here.fleet.server.kill('SIGTERM');
    await here.fleet.server.ended;
    // One at a time: of several in a process nobody would know which to blame.
    await here.fleet.start({ workers: 2, concurrency: 1, leaseMs: DEFAULT_MS });
  }
  // In a namespace of its own it cannot be looked up, like a worker on another machine.
  const through = way.startsWith('worker elsewhere')
    ? ['unshare', '-p', '-f', '--mount-proc', '--kill-child']
    : [];
  const victim = isServers
    ? null
    : await here.fleet.guest('guest', { workers: 1, leaseMs }, { through });
  const keys = Array.from({ length: isServers ? 2 : HELD }, (_, n) =>
    `d${run.seed}-${way}-${n}`.replaceAll(' ', '_'),
  );
  const ids = await submitted(here, keys);
  await until(
    'all run',
    () => new Set(begun(here, keys).map(({ key }) => key)).size === keys.length,
  );
  if (victim) await here.fleet.guest('guest', { workers: 1 });
  const [first] = begun(here, keys);
  const pids = new Set(isServers ? [first?.pid ?? 0] : []);
  const lost = isServers
    ? begun(here, keys)
        .filter(({ pid }) => pids.has(pid))
        .map(({ key }) => key)
    : keys;
  const killedAt = monotonic();
  if (victim) await kill(victim);
  else if (first) process.kill(first.pid, 'SIGKILL');
  const times = new Map<string, number>();
  await until(
    'all were taken over',
    () => {
      for (const key of lost) {
        if (!times.has(key) && begun(here, [key]).length > 1)
          times.set(key, monotonic() - killedAt);
      }
      return times.size === lost.length;
    },
    { ms: DEFAULT_MS + 15_000, everyMs: 5 },
  ).catch(() => undefined);
  release(here, keys);
  await Promise.all(ids.map((id) => here.client.ended(id, DEFAULT_MS + 20_000)));
  const rest = await atRest(here.fleet);
  const missing = lost.length - times.size;
  const late = [...times.values()].filter((ms) => ms > WAYS[way].boundMs).length;
  return {
    times: [...times.values()],
    violations: [
      ...rest.violations,
      ...(missing > 0 ? [`${way}: ${missing} were never taken over`] : []),
      ...(late > 0 ? [`${way}: ${late} took longer than ${WAYS[way].boundMs} ms`] : []),
    ],
  };
}

const RESTED_MS = 3_000 + SWEEP_MS;

/** On a quiet server nothing wakes a worker but the clock: a job that rests must be begun all the same. */
async function rested(run: FaultRun): Promise<Outcome> {
  const here = await scene(run, 1, DEFAULT_MS);
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
  const counted: Record<string, number> = {};
  const ways = (Object.keys(WAYS) as Way[]).filter(
    (way) => run.count >= 4 || !way.includes('20 s'),
  );
  let runs = 0;
  for (const way of ways) {
    if (way.startsWith('worker elsewhere') && noNamespaces()) continue;
    const times: number[] = [];
    const rounds = way.includes('20 s') ? Math.ceil(run.count / 4) : run.count;
    for (let i = 0; i < rounds; i += 1) {
      const one = await withEnding((t) => deathOf({ ...run, t, seed: run.seed + i }, way));
      times.push(...one.times);
      violations.push(...one.violations);
      runs += 1;
    }
    counted[`${way}: p50 ms`] = percentile(times, 0.5);
    counted[`${way}: p99 ms`] = percentile(times, 0.99);
  }
  return { runs, counted, violations };
}

export const STALLS: Readonly<Record<string, Fault>> = {
  F9: {
    title: 'a worker sleeps (SIGSTOP) past its lease and wakes',
    bar: '0 late writes accepted; the sleeper is told and works on',
    engines: ENGINES,
    full: 60,
    quick: 12,
    run: zombies,
  },
  F14: {
    title: 'how fast the jobs of a dead worker are begun again',
    bar: `at most lease + ${SWEEP_MS} ms where only the lease tells; 3 s on one machine`,
    engines: ENGINES,
    full: 4,
    quick: 1,
    run: async (run) =>
      together([await takeovers(run), await withEnding((t) => rested({ ...run, t }))]),
  },
};
