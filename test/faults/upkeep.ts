/** What operators do while jobs run: change the tables, and the program. */
import { tmpdir } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { startScript } from '../support/child.ts';
import { atRest, inLanes, withEnding, type Fault, type FaultRun, type Outcome } from './fault.ts';
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
};
