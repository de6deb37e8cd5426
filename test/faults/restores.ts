/** Copies of a database that is at work, and what is put back: by whom it may be written, how soon it serves. */
import { copyFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startPostgres, type PostgresServer } from '../../scripts/postgres/server.ts';
import { monotonic } from '../../src/job/clock.ts';
import type { Script } from '../support/child.ts';
import type { Ending } from '../support/temp.ts';
import { until } from '../support/until.ts';
import { check, type Remains } from './checker.ts';
import { backUp, fence, neighbour, NO_DUMP, putBack, undump } from './dumps.ts';
import {
  atRest,
  percentile,
  told,
  withEnding,
  type Fault,
  type FaultRun,
  type Outcome,
} from './fault.ts';
import { batchOf, Fleet, kill } from './fleet.ts';
import { marksOf } from './jobs.ts';
import {
  ENGINES,
  inFile,
  place,
  placeAt,
  placeOn,
  queryDatabase,
  queryFile,
  type Place,
} from './place.ts';
import { storm } from './storm.ts';
import { together } from './sums.ts';
import { postgresPrograms } from './tools.ts';

const SERVES_MS = 60_000;
/** So many copies or more are the long part. */
const LONG = 10;

/** A server of the version of pg_dump, where there is one. */
async function dumpable({ t, engine }: FaultRun): Promise<PostgresServer | null> {
  const programs = engine === 'postgres' ? postgresPrograms() : null;
  if (programs === null) return null;
  const server = await startPostgres({ programs, settings: { max_connections: '200' } });
  t.after(() => server.stop());
  return server;
}

const placeFor = ({ t, engine }: FaultRun, server: PostgresServer | null): Promise<Place> =>
  server ? placeOn(t, server) : place(t, engine, tmpdir());

/** Copies are taken while everything runs; each is sound, whole, and has what was acknowledged before. */
async function copies(run: FaultRun, server: PostgresServer | null): Promise<Outcome> {
  const violations: string[] = [];
  const times: number[] = [];
  let largest = 0;
  let servesMs: number | null = null;
  const at = await placeFor(run, server);
  const isReal = run.engine === 'sqlite' || server !== null;
  const outcome = await storm(run, {
    application: 'codes',
    at,
    async disturb({ fleet, random }) {
      let last = '';
      for (let i = 0; i < run.count; i += 1) {
        await pause(random.within(50, 400));
        const before = fleet.history.entries.filter(({ endedAt }) => endedAt !== null);
        last = join(at.folder, `copy-${i}`);
        const startedAt = monotonic();
        if (isReal) await backUp(at, last, i % 2 === 0);
        times.push(monotonic() - startedAt);
        const copy = isReal ? await inCopy(run.t, at, last) : await at.remains();
        largest = Math.max(largest, copy.codes.length);
        violations.push(...wrongIn(copy, before).map((what) => `copy ${i}: ${what}`));
      }
      if (isReal) servesMs = await drained(run, at, { last, violations });
      return { copies: run.count };
    },
  });
  const counted = {
    ...outcome.counted,
    'copied within ms (p99)': percentile(times, 0.99),
    'codes in the largest copy': largest,
    ...(servesMs !== null && { 'the last one serves and is drained within ms': servesMs }),
    ...(!isReal && { 'pg_dump and pg_restore': NO_DUMP }),
  };
  return { runs: run.count, counted, violations: [...outcome.violations, ...violations] };
}

let databases = 0;

/** What stands in a copy; a dump is put into a database for it. */
async function inCopy(t: Ending, { engine, at }: Place, copy: string): Promise<Remains> {
  if (engine === 'sqlite') return inFile(copy);
  const into = neighbour(at, `copy_${(databases += 1)}`);
  await undump(copy, into);
  const remains = await placeAt(t, into).remains();
  await queryDatabase(neighbour(at, 'postgres'), `DROP DATABASE copy_${databases} WITH (FORCE)`);
  return remains;
}

/** Of the invariants, what a moment can show. */
function wrongIn(copy: Remains, entries: Parameters<typeof check>[0]): string[] {
  const submits = entries.filter(({ deed }) => deed.op === 'submit');
  return check(submits, copy, { isDrained: false, isWhole: false })
    .filter(({ invariant }) => ['I1', 'I5', 'I6', 'I7'].includes(invariant))
    .map(told);
}

/** A server is started on a copy and its key: it knows what was there, and ends what was open. */
async function drained(
  run: FaultRun,
  from: Place,
  { last, violations }: { readonly last: string; readonly violations: string[] },
): Promise<number> {
  const startedAt = monotonic();
  const again =
    run.engine === 'sqlite'
      ? await place(run.t, 'sqlite', tmpdir())
      : placeAt(run.t, neighbour(from.at, `drained_${(databases += 1)}`));
  if (run.engine === 'sqlite') copyFileSync(last, again.at);
  else await undump(last, again.at);
  copyFileSync(join(from.folder, 'key'), join(again.folder, 'key'));
  const known = await again.remains();
  await fence(again.at);
  const fleet = new Fleet(run.t, again, { application: 'codes', workers: 2, concurrency: 4 });
  await fleet.start();
  const isDrained = async () => (await again.open()) === 0;
  await until('what was open has ended', isDrained, { ms: SERVES_MS }).catch(() =>
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

/** A worker that nobody stopped before a restore, with one job in hand that the copy knows, and one that it does not. */
async function oldWorker(
  run: FaultRun,
  server: PostgresServer | null,
  isAsleep: boolean,
): Promise<Outcome> {
  const at = await placeFor(run, server);
  const [caller] = await at.callers(1);
  if (!caller) throw new Error('nobody calls');
  const fleet = new Fleet(run.t, at, { application: 'works', leaseMs: 2_000 });
  await fleet.start({ workers: 0 });
  const old = await fleet.guest('inside', { concurrency: 2 });
  const client = fleet.client(caller, 'ann');
  const begins = async (key: string): Promise<string> => {
    const job = await client.submitSurely('gated', { key }, key);
    await until('it runs', () => marksOf(at.folder).some((mark) => mark.key === key));
    return job;
  };
  const known = await begins('known');
  const copy = join(at.folder, 'copy');
  fleet.collect();
  await pause(2);
  const to = fine();
  await backUp(at, copy);
  const unknown = await begins('unknown');
  if (isAsleep) old.kill('SIGSTOP');
  if (run.engine === 'sqlite') await stopped(fleet.server);
  fleet.collect();
  await putBack(at, copy);
  fleet.history.restore('operator', to);
  await pause(2);
  for (const key of ['known', 'unknown']) writeFileSync(join(at.folder, key), '');
  if (run.engine === 'sqlite') await fleet.start({ workers: 0 });
  await fleet.guest('guest', { workers: 1 });
  if (!isAsleep) await until('the old worker is told', () => isTold(old, at));
  await client.ended(known);
  if (isAsleep) old.kill('SIGCONT');
  await until('the old worker is told', () => isTold(old, at));
  const violations: string[] = [];
  if ((await client.poll(unknown)) !== null) violations.push('a job of after the backup is there');
  const rest = await atRest(fleet);
  const code = old.process.exitCode;
  if (run.engine === 'sqlite' && code !== 70) violations.push(`the old worker ended with ${code}`);
  return {
    runs: 1,
    counted: { [`old workers that ${isAsleep ? 'slept' : 'went on'}`]: 1 },
    violations: [...violations, ...rest.violations],
  };
}

const fine = (): number => Number(process.hrtime.bigint()) / 1e6;

/** Whether it has ended, has said what became of a run, or has told one to stop. */
const isTold = ({ pid, process: { exitCode }, lines }: Script, { folder }: Place): boolean =>
  exitCode !== null ||
  lines.some(({ event }) => event === 'settled') ||
  marksOf(folder).some((mark) => mark.pid === pid && mark.what === 'stopped');

async function stopped(server: Script): Promise<void> {
  server.kill('SIGTERM');
  await server.ended;
}

const CODES = 1_000_000;
const COLUMNS = 'team_id, project_id, plan_id, batch_id';
/** Codes that nobody was given, beside those of a real batch. */
const FILL = {
  sqlite: `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${CODES})
    INSERT INTO codes (id, ${COLUMNS}, ordinal, code_mac, first4, last4, created_at)
    SELECT 'sub_' || i, ${COLUMNS}, i + 100, randomblob(32), first4, last4, created_at
    FROM n, (SELECT * FROM codes LIMIT 1)`,
  postgres: `INSERT INTO codes (id, ${COLUMNS}, ordinal, code_mac, first4, last4, created_at)
    SELECT 'sub_' || i, ${COLUMNS}, i + 100, sha256(i::text::bytea), first4, last4, created_at
    FROM generate_series(1, ${CODES}) AS i, (SELECT * FROM codes LIMIT 1) AS one`,
} as const;

/** How soon a large database serves again: from the copy to a code that was redeemed. */
async function drill(run: FaultRun, server: PostgresServer | null): Promise<Outcome> {
  const at = await placeFor(run, server);
  const [caller] = await at.callers(1);
  if (!caller) throw new Error('nobody calls');
  const fleet = new Fleet(run.t, at, { application: 'codes', workers: 1 });
  await fleet.start();
  const client = fleet.client(caller, 'ann');
  const args = batchOf(await client.plan(), 10);
  const job = await client.submitSurely('bulk_generate_access_codes', args, 'drill');
  const [code = ''] = await client.codes(await client.ended(job));
  await (run.engine === 'sqlite' ? queryFile : queryDatabase)(at.at, FILL[run.engine]);
  const copy = join(at.folder, 'copy');
  const begunAt = monotonic();
  await backUp(at, copy);
  const backedUpAt = monotonic();
  await stopped(fleet.server);
  const stoppedAt = monotonic();
  await putBack(at, copy);
  await fleet.start();
  const view = await client.poll(job);
  const won = await client.redeem(code, 'sam');
  const ms = Math.round(monotonic() - stoppedAt);
  const violations: string[] = [];
  if (ms > SERVES_MS) violations.push(`${CODES} codes are served again only after ${ms} ms`);
  if (view?.status !== 'completed' || won !== 'won') violations.push('what was there is not');
  const [row] = await (run.engine === 'sqlite' ? queryFile : queryDatabase)(
    at.at,
    'SELECT count(*) AS codes FROM codes',
  );
  const codes = Number(row?.['codes']);
  if (codes !== CODES + 10) violations.push(`${codes} codes came back`);
  await kill(fleet.server);
  return {
    runs: 1,
    counted: {
      'codes of the drill': codes,
      'backed up within ms': Math.round(backedUpAt - begunAt),
      'restored and serving within ms': ms,
    },
    violations,
  };
}

async function restores(run: FaultRun): Promise<Outcome> {
  const server = await dumpable(run);
  const parts = [await withEnding((t) => copies({ ...run, t }, server))];
  if (run.engine === 'sqlite' || server !== null) {
    for (let i = 0; i < Math.ceil(run.count / LONG); i += 1) {
      for (const isAsleep of [true, false])
        parts.push(await withEnding((t) => oldWorker({ ...run, t }, server, isAsleep)));
    }
    if (run.count >= LONG) parts.push(await withEnding((t) => drill({ ...run, t }, server)));
  }
  return { ...together(parts), runs: run.count };
}

export const RESTORES: Readonly<Record<string, Fault>> = {
  F31: {
    title:
      'copies of the database while it is written (VACUUM INTO and the backup API; pg_dump), put back as the documents say, beside a worker that sleeps or was not stopped',
    bar: 'each copy is sound and has every job acknowledged before it, with exact batches; a server on the last one ends what was open within 60 s; no run of before writes into what was restored; 1,000,000 codes serve again within 60 s',
    engines: ENGINES,
    full: 50,
    quick: 2,
    run: restores,
  },
};
