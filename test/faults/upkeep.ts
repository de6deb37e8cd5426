/** What operators do while jobs run: change the tables, back up, wait for long. */
import { copyFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { backup, DatabaseSync } from 'node:sqlite';
import { setTimeout as pause } from 'node:timers/promises';
import { monotonic } from '../../src/job/clock.ts';
import { startScript } from '../support/child.ts';
import { until } from '../support/until.ts';
import { check, type Remains } from './checker.ts';
import {
  atRest,
  inLanes,
  percentile,
  told,
  withEnding,
  type Fault,
  type FaultRun,
  type Outcome,
} from './fault.ts';
import { Fleet, kill } from './fleet.ts';
import { done } from './history.ts';
import type { Address } from './address.ts';
import { ENGINES, inFile, place } from './place.ts';
import { Seeded } from './random.ts';
import { storm } from './storm.ts';
import { together } from './sums.ts';
import { injected, noStrace } from './tools.ts';
import { openNewer } from './versions.ts';

const MIGRATES = new URL('./migrates.ts', import.meta.url);
/** At which call it is killed: a write of the file, or one to the database server, and how many there are. */
const MIGRATION_WRITES = { sqlite: ['pwrite64', 385], postgres: ['write', 335] } as const;

/** Migrations that are killed at a time. */
const LANES = 3;

/** A process is killed while it makes the tables; the next one goes on where it stopped. */
async function killedMigrations(run: FaultRun): Promise<Outcome> {
  const random = new Seeded(run.seed);
  const violations: string[] = [];
  const [call, writes] = MIGRATION_WRITES[run.engine];
  let killed = 0;
  const own = run.engine === 'postgres' ? await place(run.t, 'postgres') : null;
  await inLanes(LANES, run.count, async (i) => {
    // Spread over all of them, so that each part of the tables has its turn.
    const n = 1 + Math.floor(((i + random.next()) * writes) / run.count);
    await withEnding(async (t) => {
      const at = own
        ? { ...own, at: own.server?.url(`migrate_${i}`) ?? '' }
        : await place(t, 'sqlite', tmpdir());
      const address: Address = { engine: run.engine, at: at.at };
      if (own) await makeDatabase(own.server?.url('postgres') ?? '', `migrate_${i}`);
      const script = startScript(t, MIGRATES, address, {
        through: injected(call, `signal=SIGKILL:when=${n}`),
      });
      if ((await script.ended) === 'SIGKILL') killed += 1;
      const again = startScript(t, MIGRATES, address);
      const code = await again.ended;
      if (code !== 0)
        violations.push(
          `killed at ${n}: the next start ended with ${code}: ${again.stderr().slice(0, 300)}`,
        );
      if (!own && (await inFile(at.at)).soundness !== 'ok')
        violations.push(`killed at ${n}: the file is unsound`);
    });
  });
  return { runs: run.count, counted: { 'killed while migrating': killed }, violations };
}

async function makeDatabase(url: string, name: string): Promise<void> {
  const { default: pg } = await import('pg');
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(`CREATE DATABASE ${name}`);
  await client.end();
}

/**
 * A newer program changes the tables under an older one that is at work. After a change that only
 * adds, the older one may be started too; after another, it may not.
 */
async function twoVersions(run: FaultRun): Promise<Outcome> {
  const violations: string[] = [];
  const outcome = await storm(run, {
    application: 'works',
    async disturb({ fleet }) {
      const { engine, at } = fleet.place;
      await pause(1_000);
      const adding = await openNewer({ engine, at }, 1);
      await pause(1_000);
      await adding.close();
      await fleet.guest('guest');
      await pause(500);
      await (await openNewer({ engine, at }, 2)).close();
      const refused = await fleet.guest('guest').then(
        () => null,
        (error: unknown) => String(error),
      );
      if (!refused) violations.push('an older program started on newer tables');
      else if (!/version 3/.test(refused))
        violations.push(`an older program was refused with ${refused.slice(0, 300)}`);
      return { 'older programs refused': refused ? 1 : 0 };
    },
  });
  return { ...outcome, violations: [...outcome.violations, ...violations] };
}

/** Copies are taken while everything runs; each is sound, whole, and has what was acknowledged before. */
async function backups(run: FaultRun): Promise<Outcome> {
  const violations: string[] = [];
  const times: number[] = [];
  let largest = 0;
  let restoredMs: number | null = null;
  const outcome = await storm(run, {
    application: 'codes',
    async disturb({ fleet, random }) {
      const { at, engine } = fleet.place;
      for (let i = 0; i < run.count; i += 1) {
        await pause(random.within(50, 400));
        const before = fleet.history.entries.filter(({ endedAt }) => endedAt !== null);
        const startedAt = monotonic();
        const copy =
          engine === 'sqlite'
            ? await copied(at, join(fleet.place.folder, `copy-${i}.db`), i % 2 === 0)
            : await fleet.place.remains();
        times.push(monotonic() - startedAt);
        largest = Math.max(largest, copy.codes.length);
        violations.push(...inCopy(copy, before).map((what) => `copy ${i}: ${what}`));
      }
      if (engine === 'sqlite') restoredMs = await restored(run, fleet, violations);
      return { copies: run.count };
    },
  });
  const counted = {
    ...outcome.counted,
    'copied within ms (p99)': percentile(times, 0.99),
    'codes in the largest copy': largest,
    ...(restoredMs !== null && { 'the last one serves and is drained within ms': restoredMs }),
  };
  return { runs: run.count, counted, violations: [...outcome.violations, ...violations] };
}

const RESTORED_MS = 60_000;

/** A server is started on the last copy and its key: it knows what was there, and ends what was open. */
async function restored(run: FaultRun, from: Fleet, violations: string[]): Promise<number> {
  const startedAt = monotonic();
  const { folder } = from.place;
  const again = await place(run.t, 'sqlite', tmpdir());
  copyFileSync(join(folder, `copy-${run.count - 1}.db`), again.at);
  copyFileSync(join(folder, 'key'), join(again.folder, 'key'));
  const known = await again.remains();
  const fleet = new Fleet(run.t, again, { application: 'codes', workers: 2, concurrency: 4 });
  await fleet.start();
  const isDrained = async () => (await again.open()) === 0;
  await until('what was open has ended', isDrained, { ms: RESTORED_MS }).catch(() =>
    violations.push('on a restored copy jobs stay open'),
  );
  const { jobs, soundness } = await again.remains();
  if (soundness !== 'ok') violations.push(`a restored copy is unsound: ${soundness}`);
  if (jobs.length < known.jobs.length) violations.push('a restored copy has lost jobs');
  const unfinished = jobs.filter(({ status }) => status === 'failed');
  if (unfinished.length > 0) violations.push(`restored, ${unfinished.length} jobs failed`);
  await kill(fleet.server);
  return Math.round(monotonic() - startedAt);
}

async function copied(from: string, to: string, isVacuum: boolean): Promise<Remains> {
  const db = new DatabaseSync(from, { timeout: 5_000 });
  try {
    if (isVacuum) db.prepare('VACUUM INTO ?').run(to);
    else await backup(db, to);
  } finally {
    db.close();
  }
  return inFile(to);
}

/** Of the invariants, what a moment can show. */
function inCopy(copy: Remains, entries: Parameters<typeof check>[0]): string[] {
  const submits = entries.filter(({ deed }) => deed.op === 'submit');
  return check(submits, copy, { isDrained: false, isWhole: false })
    .filter(({ invariant }) => ['I1', 'I5', 'I6', 'I7'].includes(invariant))
    .map(told);
}

/** A deploy with work in the queue: everything is killed, and a new fleet finishes it. */
async function deploy(run: FaultRun): Promise<Outcome> {
  const at = await place(run.t, run.engine, tmpdir());
  const [caller] = await at.callers(1);
  if (!caller) throw new Error('nobody calls');
  const fleet = new Fleet(run.t, at, { application: 'works', concurrency: 8, workers: 2 });
  await fleet.start({ workers: 0 });
  const client = fleet.client(caller, 'ann');
  const lane = async (from: number): Promise<void> => {
    for (let i = from; i < run.count; i += 16)
      await client.submitSurely('quick', { key: `q${i}` }, `q${i}`);
  };
  await Promise.all(Array.from({ length: 16 }, (_, from) => lane(from)));
  const guest = await fleet.guest('guest');
  await pause(500);
  await Promise.all([kill(fleet.server), kill(guest)]);
  await (await openNewer(at, 2)).close();
  const program = startScript(run.t, MIGRATES, { engine: run.engine, at: at.at });
  const refusal = await program.ended;
  // The newer program is the same but for its tables.
  const newer = startScript(run.t, new URL('./newer.ts', import.meta.url), {
    engine: run.engine,
    at: at.at,
    folder: at.folder,
  });
  await newer.said('open', 30_000);
  const rest = await atRest(fleet, {}, 60_000 + run.count * 20);
  const acknowledged = done(fleet.history.entries, 'submit').length;
  const violations = [...rest.violations];
  if (refusal === 0) violations.push('the older program started on newer tables');
  return { runs: run.count, counted: { 'queued over the deploy': acknowledged }, violations };
}

export const UPKEEP: Readonly<Record<string, Fault>> = {
  F30: {
    title:
      'a deploy: killed migrations, tables that become newer under an older program, a queue that goes over',
    bar: '0 lost; a killed migration is resumed; an older program works beside tables that were added to, and refuses others with a clear error',
    engines: ENGINES,
    full: 60,
    quick: 3,
    missing: noStrace,
    async run(run) {
      const parts = [
        await killedMigrations(run),
        await withEnding((t) => twoVersions({ ...run, t })),
        await withEnding((t) => deploy({ ...run, t, count: run.count * 170 })),
      ];
      return { ...together(parts), runs: run.count };
    },
  },
  F31: {
    title:
      'copies of the database while it is written (VACUUM INTO and the backup API; a snapshot on PostgreSQL)',
    bar: 'each copy is sound and has every job acknowledged before it, with exact batches; a server on the last one ends what was open within 60 s',
    engines: ENGINES,
    full: 50,
    piece: 10,
    quick: 2,
    run: backups,
  },
};
