/** What happens between machines: the database dies, another one takes over, the network fails. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { monotonic } from '../../src/job/clock.ts';
import type { Script } from '../support/child.ts';
import { until } from '../support/until.ts';
import { Cable, type Weather } from './cable.ts';
import { Cluster } from './cluster.ts';
import {
  atRest,
  percentile,
  withEnding,
  type Fault,
  type FaultRun,
  type Outcome,
} from './fault.ts';
import { Fleet, kill, type Client } from './fleet.ts';
import { done } from './history.ts';
import { marksOf } from './jobs.ts';
import { together } from './sums.ts';
import { ENGINES, place, placeAt } from './place.ts';
import { Seeded } from './random.ts';
import { storm } from './storm.ts';

/** So soon after the database takes connections, submissions and workers are back. */
const BACK_MS = 5_000;
/** Of what was asked last, so much may still be answered. */
const UNDER_WAY = 500;

/** How long it takes from now until a job is submitted and one is ended; null when neither comes. */
async function backAgain(fleet: Fleet): Promise<number | null> {
  const startedAt = monotonic();
  const from = Math.max(0, fleet.history.entries.length - UNDER_WAY);
  const isBack = (): boolean => {
    fleet.collect();
    const entries = fleet.history.entries.slice(from);
    const later = ({ endedAt }: { readonly endedAt: number }) => endedAt > startedAt;
    return (
      done(entries, 'submit').some(later) &&
      done(entries, 'settle').some((entry) => later(entry) && entry.value.applied)
    );
  };
  const isThere = await until('work goes on', isBack, { ms: 6 * BACK_MS, everyMs: 20 }).catch(
    () => false,
  );
  return isThere ? monotonic() - startedAt : null;
}

function slowReturns(times: readonly (number | null)[]): string[] {
  return times
    .filter((ms) => ms === null || ms > BACK_MS)
    .map((ms) => `work went on ${ms ?? 'not'} ms after the database was there again`);
}

/** Whatever the database does, a client reads a code of ours, and may ask again where it is one of the store. */
function untyped({ refusals }: Fleet): string[] {
  return [...refusals]
    .filter(
      ([code, mayRepeat]) => code === 'INTERNAL_ERROR' || (code.startsWith('STORE_') && !mayRepeat),
    )
    .map(([code]) => `clients were told ${code}, and not to ask again`);
}

/** Calls that were given up; where the server lives and can be reached there are none. */
function unanswered({ history }: Fleet): string[] {
  const given = history.entries.filter(
    ({ why, endedAt }) => why === 'no answer' && endedAt !== null,
  );
  return given.length > 0 ? [`${given.length} calls were not answered`] : [];
}

const codesOf = (fleet: Fleet): string => [...fleet.refusals.keys()].sort().join(', ') || 'none';
const acknowledgedBy = (fleet: Fleet): number =>
  new Set(done(fleet.history.entries, 'submit').map(({ value }) => value.job)).size;
const real = (times: readonly (number | null)[]): number[] => times.filter((ms) => ms !== null);

/** The database server dies and comes back, until so many jobs were acknowledged. */
async function databaseKills(run: FaultRun): Promise<Outcome> {
  const isShort = run.count < 1_000;
  const [least, most] = isShort ? [1_000, 2_000] : [5_000, 10_000];
  const violations: string[] = [];
  let kills = 0;
  const outcome = await storm(run, {
    application: 'works',
    clients: isShort ? 8 : 16,
    guests: 1,
    restMs: 10,
    async disturb({ fleet, random }) {
      const backs: (number | null)[] = [];
      while (acknowledgedBy(fleet) < run.count || kills === 0) {
        await pause(random.within(least, most));
        await fleet.place.server?.kill();
        // Now and then for longer than calls are tried again.
        await pause(!isShort && random.isTrue(0.1) ? 12_000 : random.below(1_500));
        fleet.collect();
        await fleet.place.server?.start();
        backs.push(await backAgain(fleet));
        kills += 1;
      }
      violations.push(...slowReturns(backs), ...untyped(fleet), ...unanswered(fleet));
      return {
        'database kills': kills,
        'back within ms (p50)': percentile(real(backs), 0.5),
        'back within ms (max)': percentile(real(backs), 1),
        'errors told': codesOf(fleet),
      };
    },
  });
  return { ...outcome, runs: kills, violations: [...outcome.violations, ...violations] };
}

/** The primary dies, or is cut off while it lives, and its synchronous standby takes over. */
async function failovers(run: FaultRun): Promise<Outcome> {
  const random = new Seeded(run.seed);
  const cluster = await Cluster.start(run.t, random);
  const violations: string[] = [];
  const outcome = await storm(run, {
    application: 'codes',
    at: placeAt(run.t, cluster.url),
    guests: 1,
    async disturb({ fleet }) {
      const backs: (number | null)[] = [];
      for (let i = 0; i < run.count; i += 1) {
        await pause(random.within(500, 2_500));
        const early = random.isTrue(0.5) ? random.within(100, 600) : 0;
        const isKilled = i % 2 === 0;
        violations.push(...(await cluster.failover(isKilled, early)));
        fleet.collect();
        backs.push(await backAgain(fleet));
        violations.push(...(await cluster.repair()));
      }
      violations.push(...slowReturns(backs), ...untyped(fleet), ...unanswered(fleet));
      return {
        'of these with the old primary alive': Math.floor(run.count / 2),
        'back within ms (p50)': percentile(real(backs), 0.5),
        'back within ms (max)': percentile(real(backs), 1),
        'errors told': codesOf(fleet),
      };
    },
  });
  return { ...outcome, runs: run.count, violations: [...outcome.violations, ...violations] };
}

const LEASE_MS = 2_000;
/** Lease, and what the sweep and the claim take. */
const TAKEN_MS = LEASE_MS + 5_000;
const FOUND_MS = 15_000;
const HELD = 3;
/** Machines that are cut off at once. */
const AT_ONCE = 12;

/** How a machine is cut off from the database, and until when. */
interface Cut {
  readonly weather: Weather;
  readonly until: 'taken over' | 'found' | 'ended';
}

const CUTS: readonly Cut[] = [
  { weather: 'silent', until: 'taken over' },
  { weather: 'broken', until: 'taken over' },
  { weather: 'late', until: 'ended' },
  { weather: 'narrow', until: 'ended' },
  { weather: 'silent', until: 'found' },
  { weather: 'broken', until: 'taken over' },
];

function cutOf(n: number): Cut {
  const cut = CUTS[n % CUTS.length];
  if (!cut) throw new Error('there is no cut');
  return cut;
}

interface Counts {
  readonly taken: number[];
  readonly found: number[];
  told: number;
  readonly violations: string[];
}

interface Machine {
  readonly cable: Cable;
  readonly script: Script;
  readonly cut: Cut;
}

/** Workers on machines of their own hold jobs, and are cut off from the database. */
async function cutOff(run: FaultRun): Promise<Outcome> {
  const at = await place(run.t, run.engine);
  const [caller] = await at.callers(1);
  if (!caller) throw new Error('nobody calls');
  const fleet = new Fleet(run.t, at, { application: 'works', leaseMs: LEASE_MS });
  await fleet.start({ workers: 0 });
  const random = new Seeded(run.seed);
  const counts: Counts = { taken: [], found: [], told: 0, violations: [] };
  const client = fleet.client(caller, 'ann');
  for (let i = 0; i < run.count; i += AT_ONCE) {
    const cuts = Array.from({ length: Math.min(AT_ONCE, run.count - i) }, (_, n) => cutOf(i + n));
    const round = { fleet, client, random, counts, cuts };
    await withEnding((t) => cutRound({ ...run, t, seed: run.seed + i }, round));
  }
  const rest = await atRest(fleet);
  const stale = done(fleet.history.entries, 'settle').filter(({ value }) => !value.applied).length;
  return {
    runs: run.count,
    counted: {
      'taken over within ms (max)': percentile(counts.taken, 1),
      'half-open found within ms (max)': percentile(counts.found, 1),
      'told to stop': counts.told,
      'refused late writes': stale,
    },
    violations: [...counts.violations, ...rest.violations],
  };
}

interface Round {
  readonly fleet: Fleet;
  readonly client: Client;
  readonly random: Seeded;
  readonly counts: Counts;
  readonly cuts: readonly Cut[];
}

async function cutRound({ t, seed }: FaultRun, round: Round): Promise<void> {
  const { fleet, client, random, cuts } = round;
  const { folder, at } = fleet.place;
  const machines: Machine[] = [];
  for (const cut of cuts) {
    const cable = await Cable.to(t, Number(new URL(at).port), random);
    const role = random.isTrue(0.5) ? 'guest' : 'inside';
    const script = await fleet.guest(role, {
      at: cable.through(at),
      concurrency: HELD,
      logs: true,
    });
    machines.push({ cable, script, cut });
  }
  const keys = Array.from({ length: cuts.length * HELD }, (_, n) => `p${seed}-${n}`);
  const ids = await Promise.all(keys.map((key) => client.submitSurely('gated', { key }, key)));
  const begun = () =>
    marksOf(folder).filter(({ key, what }) => what === 'began' && keys.includes(key));
  await until('all run', () => new Set(begun().map(({ key }) => key)).size === keys.length);
  const heir = await fleet.guest('guest', { concurrency: keys.length });
  await Promise.all(
    machines.map(async (machine) => {
      const pids = new Set([machine.script.pid, ...pidsOf(machine.script)]);
      const mine = begun()
        .filter(({ pid }) => pids.has(pid))
        .map(({ key }) => key);
      await pause(random.below(LEASE_MS));
      await cutMachine(machine, round, { keys: mine, pids });
    }),
  );
  await Promise.all(ids.map((id) => client.ended(id)));
  await Promise.all([heir, ...machines.map(({ script }) => script)].map(kill));
}

const pidsOf = ({ lines }: Script): readonly number[] =>
  (lines.find(({ event }) => event === 'open')?.['pids'] as number[] | undefined) ?? [];

interface Held {
  /** Its jobs. */
  readonly keys: readonly string[];
  /** Its processes. */
  readonly pids: ReadonlySet<number>;
}

/** One machine is cut off, and what becomes of the jobs that it holds. */
async function cutMachine(
  { cable, script, cut }: Machine,
  { fleet, random, counts }: Round,
  { keys, pids }: Held,
): Promise<void> {
  const { folder } = fleet.place;
  const { violations } = counts;
  const release = () => {
    for (const key of keys) writeFileSync(join(folder, key), '');
  };
  const cutAt = monotonic();
  const said = script.lines.length;
  cable.set(cut.weather);
  if (cut.until === 'ended') {
    await pause(LEASE_MS + 1_000);
    release();
    await pause(2_000);
    return cable.set('fair');
  }
  // Its handlers may end while nobody can be told, or find that they should not have gone on.
  const endsAlone = random.isTrue(0.5);
  if (endsAlone) release();
  /** Whether each of its jobs began somewhere else, or was stopped here. */
  const all = (what: 'began' | 'stopped') => {
    const marks = marksOf(folder).filter((one) => one.what === what);
    const isHere = what === 'stopped';
    return keys.every((key) =>
      marks.some((one) => one.key === key && pids.has(one.pid) === isHere),
    );
  };
  const isFound = () =>
    script.lines.slice(said).some(({ message }) => /failed; trying again/.test(String(message)));
  const noticed = until('it was noticed', isFound, { ms: FOUND_MS + 2_000, everyMs: 20 }).then(
    () => monotonic() - cutAt,
    () => Infinity,
  );
  const isTaken = await until('others have them', () => all('began'), { ms: 2 * TAKEN_MS }).catch(
    () => false,
  );
  const takenMs = monotonic() - cutAt;
  counts.taken.push(takenMs);
  if (!isTaken || takenMs > TAKEN_MS)
    violations.push(`${cut.weather}: not taken over within ${takenMs} ms`);
  if (cut.until === 'found') {
    const ms = await noticed;
    counts.found.push(ms);
    if (ms > FOUND_MS) violations.push(`a half-open connection was found after ${ms} ms`);
  }
  cable.set('fair');
  if (!endsAlone) {
    await until('it is told to stop', () => all('stopped'), { ms: 20_000 })
      .then(() => (counts.told += keys.length))
      .catch(() => violations.push(`${cut.weather}: a run was not told to stop`));
  }
  release();
}

/** Clients lose the server out of sight, and servers and workers the database, again and again. */
async function cutUnderLoad(run: FaultRun): Promise<Outcome> {
  const random = new Seeded(run.seed);
  const at = await place(run.t, run.engine);
  const isPostgres = run.engine === 'postgres';
  const behind = isPostgres ? await Cable.to(run.t, Number(new URL(at.at).port), random) : null;
  const violations: string[] = [];
  const outcome = await storm(run, {
    application: 'works',
    at,
    guests: isPostgres ? 1 : 0,
    ...(behind && { fleet: { at: behind.through(at.at) } }),
    async disturb({ fleet }) {
      const before = await Cable.to(run.t, Number(new URL(fleet.url).port), random);
      fleet.cable = before;
      for (let i = 0; i < run.count; i += 1) {
        await pause(random.within(100, 500));
        const cable = behind && random.isTrue(0.5) ? behind : before;
        cable.set(random.of(['silent', 'broken', 'late', 'narrow'] as const));
        // Now and then for longer than calls are tried again.
        await pause(run.count > 4 && random.isTrue(0.1) ? 13_000 : random.within(200, 1_500));
        // What was under way arrives after all, or never.
        if (random.isTrue(0.5)) cable.cut();
        cable.set('fair');
      }
      violations.push(...untyped(fleet));
      return { 'cuts under load': run.count, 'errors told': codesOf(fleet) };
    },
  });
  return { ...outcome, violations: [...outcome.violations, ...violations] };
}

export const MACHINES: Readonly<Record<string, Fault>> = {
  F11: {
    title:
      'SIGKILL of the database server every 5 to 10 s under load, until so many jobs were acknowledged',
    bar: `0 acknowledged lost, 0 duplicated, errors typed and retryable, back within ${BACK_MS} ms`,
    engines: ['postgres'],
    full: 5_000,
    quick: 150,
    run: databaseKills,
  },
  F12: {
    title:
      'failover to a synchronous standby under load; the old primary is dead, or alive and cut off',
    bar: `0 acknowledged lost, no standby asked, the old primary never written again, back within ${BACK_MS} ms`,
    engines: ['postgres'],
    full: 20,
    quick: 1,
    run: failovers,
  },
  F13: {
    title:
      'servers and workers cut off from the database (silence, resets, delays, 64 kbit), and clients from the server',
    bar: `taken over within lease + 5 s, half-open found within ${FOUND_MS / 1_000} s, late writes refused, 0 duplicated`,
    engines: ENGINES,
    full: 108,
    quick: 4,
    async run(run) {
      const underLoad = await withEnding((t) =>
        cutUnderLoad({ ...run, t, count: Math.ceil(run.count / 4) }),
      );
      if (run.engine === 'sqlite') return { ...underLoad, runs: Math.ceil(run.count / 4) };
      return { ...together([await cutOff(run), underLoad]), runs: run.count };
    },
  },
};
