/** Wall clocks that lie: of every process, of one machine beside others, of the database server. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startPostgres } from '../../scripts/postgres/server.ts';
import { inLanes, withEnding, type Fault, type FaultRun, type Outcome } from './fault.ts';
import { kill } from './fleet.ts';
import { marksOf } from './jobs.ts';
import { together } from './sums.ts';
import { ENGINES, place, placeOn } from './place.ts';
import { storm } from './storm.ts';
import { faketimeLibrary, noFaketime } from './tools.ts';

const LEASE_MS = 2_000;
/** Most of a jump is waiting. */
const LANES = 2;

/** How the wall clock is set; libfaketime reads it anew at each look. */
const CLOCKS: Readonly<Record<string, string>> = {
  '1 s ahead': '+1',
  '1 s behind': '-1',
  '1 h ahead': '+3600',
  '1 h behind': '-3600',
  '1 day ahead': '+86400',
  '1 day behind': '-86400',
  '1970': '@1970-01-02 00:00:00',
  '2038': '@2038-01-20 00:00:00',
  'fast, 10 times': '+0 x10',
  'slow, a tenth': '+0 x0.1',
  'behind by half a lease': '-0.9',
  frozen: '2026-01-01 00:00:00',
};

const WHOSE = ['all', 'guest', 'database'] as const;
type Whose = (typeof WHOSE)[number];

interface Kind {
  readonly name: string;
  readonly setting: string;
  readonly whose: Whose;
}

/**
 * PostgreSQL measures leases, delays and the hours of keys by its own clock, which may be wrong by
 * less than a lease. What a greater jump of it costs is told in docs/scale-out.md.
 */
const OF_DATABASE = ['1 s ahead', '1 s behind', 'slow, a tenth', 'behind by half a lease'];

/** Whose clocks there are; on SQLite the database has none of its own. */
const kindsOf = (engine: string): Kind[] =>
  WHOSE.flatMap((whose) =>
    Object.entries(CLOCKS)
      .filter(([name]) => whose !== 'database' || OF_DATABASE.includes(name))
      .filter(() => whose !== 'database' || engine === 'postgres')
      .map(([name, setting]) => ({ name, setting, whose })),
  );

/** A clock jumps in the middle of everything, and back. */
async function jump(run: FaultRun, { name, setting, whose }: Kind): Promise<Outcome> {
  // Another user reads it: PostgreSQL does not run as root.
  const folder = mkdtempSync(join(tmpdir(), 'mcp-async-jobs-clock-'));
  chmodSync(folder, 0o755);
  run.t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'clock');
  writeFileSync(file, '+0\n');
  const env = {
    LD_PRELOAD: faketimeLibrary() ?? '',
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: '1',
    DONT_FAKE_MONOTONIC: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  };
  const server =
    whose === 'database' ? await startPostgres({ settings: { max_connections: '60' }, env }) : null;
  if (server) run.t.after(() => server.stop());
  const at = server
    ? await placeOn(run.t, server, tmpdir())
    : await place(run.t, run.engine, tmpdir());
  const long = `long-${run.seed}`;
  const outcome = await storm(run, {
    application: 'works',
    at,
    clients: 4,
    ...(whose === 'all' && { how: { env } }),
    fleet: { leaseMs: LEASE_MS },
    async disturb({ fleet, clients: [client] }) {
      const how = whose === 'database' ? {} : { env };
      const guest = await fleet.guest('guest', { workers: 1 }, how);
      const job = await client?.submitSurely('gated', { key: long }, long);
      await pause(700);
      writeFileSync(file, `${setting}\n`);
      await pause(1.5 * LEASE_MS);
      writeFileSync(file, '+0\n');
      await pause(700);
      writeFileSync(join(at.folder, long), '');
      if (job) await client?.ended(job);
      await kill(guest);
      return {};
    },
  });
  // Its lease was renewed all the time: nobody may have begun it a second time, but for the kill.
  const begins = marksOf(at.folder).filter(({ key, what }) => key === long && what === 'began');
  const violations = [
    ...outcome.violations,
    ...(begins.length > 1 ? ['a live lease was taken'] : []),
  ];
  return { ...outcome, violations: violations.map((what) => `${name}, ${whose}: ${what}`) };
}

async function clocks(run: FaultRun): Promise<Outcome> {
  const kinds = kindsOf(run.engine);
  const outcomes: Outcome[] = [];
  await inLanes(LANES, run.count, async (i) => {
    const seed = run.seed + i;
    const kind = kinds[seed % kinds.length];
    if (kind) outcomes.push(await withEnding((t) => jump({ ...run, t, seed }, kind)));
  });
  return together(outcomes);
}

export const TIMES: Readonly<Record<string, Fault>> = {
  F10: {
    title:
      'wall clocks that jump there and back, run fast or slow, or stand: of all processes, of one, of the database server by less than a lease',
    bar: '0 live leases taken, 0 jobs stuck, times of a job never go back',
    engines: ENGINES,
    full: 28,
    piece: 7,
    quick: 1,
    missing: noFaketime,
    run: clocks,
  },
};
