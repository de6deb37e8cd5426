/** What can happen to a file: a process dies at any write, the power goes, a sync fails, no space. */
import { tmpdir } from 'node:os';
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as pause } from 'node:timers/promises';
import { monotonic } from '../../src/job/clock.ts';
import { startScript, type Script, type StartOptions } from '../support/child.ts';
import { tempFolder, type Ending } from '../support/temp.ts';
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
import { batchOf, Fleet, kill, type Client } from './fleet.ts';
import { inFile, place, queryFile, type Caller, type Place } from './place.ts';
import { images, stepsOf } from './power.ts';
import { Seeded } from './random.ts';
import { injected, noStrace, noTmpfs, traced } from './tools.ts';

const READY_MS = 2_000;
/** A start under a tracer waits as much as it computes. */
const LANES = 4;

/** A database with tables, tokens and a plan, to be copied: so each row of kills begins at the same write. */
async function prepared(t: Ending): Promise<{ at: Place; caller: Caller; plan: string }> {
  const at = await place(t, 'sqlite', tmpdir());
  const [caller] = await at.callers(1);
  if (!caller) throw new Error('nobody calls');
  const fleet = new Fleet(t, at, { application: 'codes', workers: 0 });
  const server = await fleet.start();
  const plan = await fleet.client(caller, 'ann').plan();
  server.kill('SIGTERM');
  await server.ended;
  return { at, caller, plan };
}

async function copyOf(t: Ending, from: Place): Promise<Place> {
  const at = await place(t, 'sqlite', tmpdir());
  for (const name of ['jobs.db', 'key'])
    copyFileSync(join(from.folder, name), join(at.folder, name));
  return at;
}

/** One life of a batch: submitted, made, downloaded, redeemed. Whatever is cut is tried no further. */
async function life(client: Client, plan: string, key: string): Promise<void> {
  const job = await client.submit('bulk_generate_access_codes', batchOf(plan, 3), key);
  if (!job) return;
  const view = await client.ended(job, 5_000).catch(() => null);
  if (!view) return;
  const [code] = await client.codes(view).catch(() => []);
  if (code) await client.redeem(code, 'sam');
}

/** Fewer runs than this are done at one kind of call. */
const FEW = 20;

type Role = 'server' | 'inside';
const CALLS = [
  ['server', 'pwrite64'],
  ['server', 'fsync'],
  ['server', 'write'],
  ['inside', 'pwrite64'],
  ['inside', 'fsync'],
] as const satisfies readonly (readonly [Role, string])[];

interface Point {
  readonly role: Role;
  readonly call: string;
  readonly n: number;
}

/** Every call of the busiest thread in a life that nothing disturbs. */
async function pointsOf(
  base: Awaited<ReturnType<typeof prepared>>,
  { count, seed }: FaultRun,
): Promise<Point[]> {
  const points: Point[] = [];
  const kind = seed % CALLS.length;
  // Counting costs a life each, so a few runs are all of one kind.
  for (const [role, call] of count < FEW ? CALLS.slice(kind, kind + 1) : CALLS) {
    const last = await withEnding(async (t) => {
      const at = await copyOf(t, base.at);
      const trace = join(at.folder, 'trace');
      const how = { through: traced(call, [], trace) };
      const { fleet, victim } = await began(t, at, { role, how });
      await life(fleet.client(base.caller, 'ann'), base.plan, 'counted');
      if (victim) await kill(victim);
      const threads = readFileSync(trace, 'latin1')
        .split('\n')
        .filter((line) => line.includes(`${call}(`));
      const counts = Map.groupBy(threads, (line) => line.split(' ', 1)[0]);
      return Math.max(0, ...[...counts.values()].map((lines) => lines.length));
    });
    points.push(...Array.from({ length: last }, (_, index) => ({ role, call, n: index + 1 })));
  }
  return points;
}

/** A fleet, one process of which is started in its own way. */
async function began(
  t: Ending,
  at: Place,
  { role, how }: { readonly role: Role; readonly how: StartOptions },
): Promise<{ fleet: Fleet; victim: Script | null }> {
  const fleet = new Fleet(t, at, { application: 'codes', workers: 1, leaseMs: 2_000 });
  const starting = role === 'server' ? fleet.start({}, how) : fleet.start({ workers: 0 });
  const server = await starting.catch(() => null);
  if (role === 'server') return { fleet, victim: server };
  return { fleet, victim: await fleet.guest('inside', {}, how).catch(() => null) };
}

interface Killed {
  readonly points: readonly Point[];
  readonly readyMs: number | null;
  readonly violations: readonly string[];
}

/**
 * Kill a process at the N-th call of its life, and the next one that mends what it left at another,
 * and so on; then start in peace, finish everything, and look at all of it.
 */
async function killsInARow(
  t: Ending,
  base: Awaited<ReturnType<typeof prepared>>,
  points: readonly Point[],
): Promise<Killed> {
  const at = await copyOf(t, base.at);
  const fleet = new Fleet(t, at, { application: 'codes', workers: 1, leaseMs: 2_000 });
  const client = fleet.client(base.caller, 'ann');
  const isServer = points[0]?.role === 'server';
  if (!isServer) await fleet.start({ workers: 0 });
  const killed: Point[] = [];
  const keyOf = (i: number) => `n${i}`;
  for (const [i, point] of points.entries()) {
    const how = { through: injected(point.call, `signal=SIGKILL:when=${point.n}`) };
    const starting = isServer ? fleet.start({}, how) : fleet.guest('inside', {}, how);
    const victim = await starting.catch(() => null);
    if (victim) {
      await Promise.race([life(client, base.plan, keyOf(i)), victim.ended]);
      // A client hears of a death before its parent does.
      await Promise.race([victim.ended, pause(100)]);
    }
    if (victim === null || victim.process.signalCode === 'SIGKILL') killed.push(point);
    if (victim) await kill(victim);
  }
  const startedAt = monotonic();
  await (isServer ? fleet.start() : fleet.guest('guest', { workers: 1 }));
  const readyMs = isServer ? monotonic() - startedAt : null;
  for (const i of points.keys()) {
    const args = batchOf(base.plan, 3);
    const job = await client.submitSurely('bulk_generate_access_codes', args, keyOf(i));
    const [code] = await client.codes(await client.ended(job));
    if (code) await client.redeem(code, 'sam');
  }
  const { violations } = await atRest(fleet, {}, 15_000);
  return { points: killed, readyMs, violations };
}

/** How long a start takes where nothing has to be mended. */
async function soundStart(t: Ending, base: Awaited<ReturnType<typeof prepared>>): Promise<number> {
  const fleet = new Fleet(t, await copyOf(t, base.at), { application: 'codes', workers: 1 });
  const startedAt = monotonic();
  await fleet.start();
  return monotonic() - startedAt;
}

/** So many kills follow each other on one file. */
const ROW = 8;

/** A prime: runs one after another are at all kinds of points, and after a while at every one. */
const STRIDE = 7_919;

async function everyWrite(run: FaultRun): Promise<Outcome> {
  const base = await prepared(run.t);
  const points = await pointsOf(base, run);
  const violations: string[] = [];
  const ready: number[] = [];
  const counted: Record<string, number> = { points: points.length };
  const chosen = Array.from(
    { length: run.count },
    (_, i) => points[((run.seed + i) * STRIDE) % points.length],
  ).filter((point) => point !== undefined);
  const rows = [...Map.groupBy(chosen, ({ role }) => role).values()].flatMap((ofRole) =>
    Array.from({ length: Math.ceil(ofRole.length / ROW) }, (_, i) =>
      ofRole.slice(i * ROW, (i + 1) * ROW),
    ),
  );
  let kills = 0;
  await inLanes(LANES, rows.length, async (i) => {
    const row = rows[i] ?? [];
    const one = await withEnding((t) => killsInARow(t, base, row));
    kills += one.points.length;
    for (const { role, call } of one.points)
      counted[`${role} at ${call}`] = (counted[`${role} at ${call}`] ?? 0) + 1;
    if (one.readyMs !== null) ready.push(one.readyMs);
    const name = row.map(({ role, call, n }) => `${role} ${call} ${n}`).join(', ');
    violations.push(...one.violations.map((what) => `${name}: ${what}`));
  });
  counted['ended before'] = run.count - kills;
  const sound = await withEnding((t) => soundStart(t, base));
  counted['ready on a sound file ms'] = sound;
  counted['ready again p99 ms'] = percentile(ready, 0.99);
  counted['ready again median ms'] = percentile(ready, 0.5);
  // A machine that others use as well starts everything more slowly.
  if (percentile(ready, 0.5) > Math.max(READY_MS, 2 * sound))
    violations.push(`ready again only after ${percentile(ready, 0.5)} ms`);
  return { runs: kills, counted, violations };
}

/** A real server under a recorder: some small batches, some large, some redemptions. */
async function recording(t: Ending, base: Awaited<ReturnType<typeof prepared>>) {
  const at = await copyOf(t, base.at);
  const file = join(at.folder, 'jobs.db');
  const before = new Map([[file, readFileSync(file)]]);
  const trace = join(at.folder, 'trace');
  const fleet = new Fleet(t, at, { application: 'codes', workers: 1 });
  const calls = 'pwrite64,ftruncate,fsync,fdatasync,write,writev';
  const through = traced(calls, ['-xx', '-y', '-s', '70000'], trace);
  const server = await fleet.start({}, { through });
  const client = fleet.client(base.caller, 'ann');
  for (const [index, quantity] of [3, 20, 400, 5, 400, 2, 30, 400, 10].entries()) {
    const args = batchOf(base.plan, quantity);
    const job = await client.submitSurely('bulk_generate_access_codes', args, `p${index}`);
    const codes = await client.codes(await client.ended(job));
    for (const code of codes.slice(0, 2)) await client.redeem(code, 'sam');
  }
  await kill(server);
  await until('the recorder has ended', () => /killed by SIGKILL/.test(tailOf(trace)));
  const steps = stepsOf(trace, (path) => path === file || path === `${file}-wal`);
  return { file, before, steps, entries: fleet.history.entries };
}

const tailOf = (path: string): string => readFileSync(path, 'latin1').slice(-2_000);

/** What was said to somebody, and so has to be there. */
function promised(said: readonly string[]): {
  jobs: Set<string>;
  ended: Set<string>;
  redeemed: Set<string>;
} {
  const text = said.join('\n');
  const all = (pattern: RegExp) => new Set([...text.matchAll(pattern)].map(([, id = '']) => id));
  return {
    jobs: all(/(mjb_[0-9A-Z]{26})/g),
    ended: all(/"job_id":"(mjb_[0-9A-Z]{26})","tool_name":"\w+","status":"completed"/g),
    redeemed: all(/"subscription_id":"(sub_[0-9A-Z]{26})"/g),
  };
}

function brokenPromises(remains: Remains, said: readonly string[]): string[] {
  const { jobs, ended, redeemed } = promised(said);
  const kept = new Map(remains.jobs.map((job) => [job.id, job.status]));
  const subscriptions = new Set(remains.subscriptions.map(({ id }) => id));
  return [
    ...[...jobs].filter((id) => !kept.has(id)).map((id) => `${id} is lost`),
    ...[...ended]
      .filter((id) => kept.get(id) !== 'completed')
      .map((id) => `${id} was completed and is ${kept.get(id)}`),
    ...[...redeemed]
      .filter((id) => !subscriptions.has(id))
      .map((id) => `the redemption ${id} is lost`),
  ];
}

async function powerCuts(run: FaultRun): Promise<Outcome> {
  const base = await prepared(run.t);
  const { file, before, steps } = await recording(run.t, base);
  const folder = tempFolder(run.t);
  const violations: string[] = [];
  const random = new Seeded(run.seed);
  let made = 0;
  let acknowledged = 0;
  for (const { files, said, at } of images(steps, before, { count: run.count, random })) {
    const path = write(folder, file, files);
    const remains = await inFile(path).catch((error: unknown) => String(error));
    made += 1;
    if (typeof remains === 'string') violations.push(`step ${at}: ${remains}`);
    else {
      const found = check([], remains, { isDrained: false });
      violations.push(
        ...[...brokenPromises(remains, said), ...found.map(told)].map(
          (what) => `step ${at}: ${what}`,
        ),
      );
    }
    acknowledged = said.length;
    if (violations.length > 50) break;
  }
  const control = await withEnding((t) => controlLost(t, { ...run, count: 200 }));
  if (control === 0) violations.push('the referee is blind: synchronous=NORMAL lost nothing');
  const syncs = steps.filter(({ kind }) => kind === 'sync').length;
  const writes = steps.filter(({ kind }) => kind === 'write').length;
  const counted = {
    images: made,
    writes,
    syncs,
    answers: acknowledged,
    'lost by the control (NORMAL) of 200': control,
  };
  return { runs: made, counted, violations };
}

function write(folder: string, file: string, files: ReadonlyMap<string, Buffer>): string {
  const path = join(folder, 'image.db');
  for (const suffix of ['', '-wal', '-shm']) rmSync(`${path}${suffix}`, { force: true });
  for (const [name, bytes] of files) writeFileSync(`${path}${name.slice(file.length)}`, bytes);
  return path;
}

/** Of so many images of a process that syncs too little, how many lost a row. */
async function controlLost(t: Ending, run: FaultRun): Promise<number> {
  const folder = tempFolder(t, tmpdir());
  const path = join(folder, 'control.db');
  const db = new DatabaseSync(path);
  db.exec('CREATE TABLE kept (id INTEGER PRIMARY KEY)');
  db.close();
  const before = new Map([[path, readFileSync(path)]]);
  const trace = join(folder, 'trace');
  const calls = 'pwrite64,ftruncate,fsync,fdatasync,write';
  const through = traced(calls, ['-xx', '-y', '-s', '70000'], trace);
  const script = startScript(
    t,
    new URL('./control.ts', import.meta.url),
    { path, rows: 20 },
    { through },
  );
  await script.ended;
  await until(
    'the recorder has ended',
    () => existsSync(trace) && /exited with 0/.test(tailOf(trace)),
    {
      ms: 5_000,
    },
  ).catch(() => undefined);
  const steps = stepsOf(trace, (name) => name === path || name === `${path}-wal`);
  let lost = 0;
  for (const { files, said } of images(steps, before, {
    count: run.count,
    random: new Seeded(run.seed),
  })) {
    const image = write(folder, path, files);
    const kept = new Set(
      queryFile(image, 'SELECT id FROM kept').map((row) => `row_${String(row['id'])}_`),
    );
    const promisedRows = [...said.join('').matchAll(/row_\d+_/g)].map(([id]) => id);
    if (promisedRows.some((id) => !kept.has(id))) lost += 1;
  }
  return lost;
}

/** A sync fails: nothing may be answered after it, and the process must go. */
async function failingSync(run: FaultRun): Promise<Outcome> {
  const base = await prepared(run.t);
  const violations: string[] = [];
  const times: number[] = [];
  let failed = 0;
  await inLanes(LANES, run.count, async (i) => {
    const n = 2 + ((run.seed + i) % 24);
    await withEnding(async (t) => {
      const at = await copyOf(t, base.at);
      const trace = join(at.folder, 'trace');
      const fleet = new Fleet(t, at, { application: 'codes', workers: 1 });
      const through = injected('fsync', `error=EIO:when=${n}`, trace);
      const server = await fleet.start({}, { through }).catch(() => null);
      const client = fleet.client(base.caller, 'ann');
      for (let k = 0; k < 12 && server?.process.exitCode === null; k += 1) {
        await client.submit('bulk_generate_access_codes', batchOf(base.plan, 3), `e${i}-${k}`);
      }
      const isOver = () => server === null || server.process.exitCode !== null;
      await until('it has ended', isOver, { ms: 2_000 }).catch(() => undefined);
      await pause(30);
      const { failedAt, endedAt, code } = readTrace(trace);
      if (failedAt === null) return;
      failed += 1;
      if (endedAt === null || code !== 70)
        violations.push(`fsync ${n}: lives on, or ended with ${code}`);
      else times.push((endedAt - failedAt) * 1_000);
      if (server) await kill(server);
      await fleet.start();
      await client.submitSurely('bulk_generate_access_codes', batchOf(base.plan, 3), `e${i}-last`);
      const { violations: found } = await atRest(fleet, {}, 15_000);
      violations.push(...found.map((what) => `fsync ${n}: ${what}`));
    });
  });
  const slowest = percentile(times, 1);
  if (slowest > 1_000) violations.push(`ended only after ${slowest} ms`);
  return {
    runs: run.count,
    counted: { 'failed syncs': failed, 'ended within ms (max)': slowest },
    violations,
  };
}

/** When the first sync failed, and when and how the process ended, in seconds. */
function readTrace(path: string) {
  const lines = readFileSync(path, 'latin1').split('\n');
  const timeOf = (line: string | undefined) => (line ? Number(line.split(/ +/)[1]) : null);
  // SQLite does not tell of a folder that could not be synced.
  const failed = lines.find((line) => line.includes('EIO') && line.includes('jobs.db'));
  const ended = lines.findLast((line) => line.includes('+++ exited with'));
  const codes = lines.flatMap((line) => /exited with (\d+)/.exec(line)?.[1] ?? []).map(Number);
  return {
    failedAt: timeOf(failed),
    endedAt: timeOf(ended),
    code: codes.includes(70) ? 70 : (codes.at(-1) ?? null),
  };
}

const DISK_MB = 24;

/** A disk that is full again and again: submissions are refused, polls go on, nothing is lost. */
async function fullDisk(run: FaultRun): Promise<Outcome> {
  const disk = tempFolder(run.t);
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MB}m`, 'tmpfs', disk]);
  if (mounted.status !== 0) throw new Error('the small disk could not be mounted');
  run.t.after(() => void spawnSync('umount', ['-l', disk]));
  const at = await place(run.t, 'sqlite', disk);
  const [caller] = await at.callers(1);
  if (!caller) throw new Error('nobody calls');
  const fleet = new Fleet(run.t, at, { application: 'codes', workers: 1 });
  await fleet.start();
  const client = fleet.client(caller, 'ann');
  const plan = await client.plan();
  const first = await client.submitSurely('bulk_generate_access_codes', batchOf(plan, 3), 'first');
  await client.ended(first);
  const violations: string[] = [];
  const refusals = new Set<string>();
  const resumed: number[] = [];
  const filler = join(disk, 'filler');
  for (let i = 0; i < run.count; i += 1) {
    spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=4k'], { stdio: 'ignore' });
    let refused = 0;
    for (let k = 0; k < 400 && refused < 3; k += 1) {
      const before = fleet.history.entries.length;
      const job = await client.submit(
        'bulk_generate_access_codes',
        batchOf(plan, 50),
        `d${i}-${k}`,
      );
      if (job === null) refused += 1;
      refusals.add(fleet.history.entries[before]?.why ?? 'accepted');
    }
    if (refused === 0) violations.push(`filling ${i}: nothing was refused`);
    if ((await client.poll(first))?.status !== 'completed')
      violations.push(`filling ${i}: a poll was not answered`);
    rmSync(filler, { force: true });
    const freedAt = monotonic();
    await client.submitSurely('bulk_generate_access_codes', batchOf(plan, 1), `d${i}-free`);
    resumed.push(monotonic() - freedAt);
  }
  refusals.delete('accepted');
  if ([...refusals].some((code) => code !== 'STORE_FULL'))
    violations.push(`refused with ${[...refusals].join(', ')}`);
  if (percentile(resumed, 1) > 5_000)
    violations.push(`resumed only after ${percentile(resumed, 1)} ms`);
  const rest = await atRest(fleet);
  return {
    runs: run.count,
    counted: {
      'refused with': [...refusals].join(', '),
      'resumed within ms (max)': percentile(resumed, 1),
      jobs: rest.remains.jobs.length,
    },
    violations: [...violations, ...rest.violations],
  };
}

export const DISK: Readonly<Record<string, Fault>> = {
  F1: {
    title: 'SIGKILL at each write and sync of a server, and of a worker that writes for itself',
    bar: '0 acknowledged lost, 0 duplicate codes, exact quantities, sound file, ready again in 2 s',
    engines: ['sqlite'],
    full: 2_000,
    quick: 6,
    piece: 100,
    missing: noStrace,
    run: everyWrite,
  },
  F4: {
    title:
      'power cuts: images of the recorded writes, with any of the unsynced ones missing or torn',
    bar: '0 images lose an acknowledged row or are unsound; synchronous=NORMAL must lose some',
    engines: ['sqlite'],
    full: 20_000,
    quick: 400,
    piece: 5_000,
    missing: noStrace,
    run: powerCuts,
  },
  F6: {
    title: `full disk of ${DISK_MB} MB, filled and freed`,
    bar: 'a clear refusal, polls go on, 0 lost, 0 half batches, resumes within 5 s without a restart',
    engines: ['sqlite'],
    full: 50,
    quick: 2,
    piece: 10,
    missing: noTmpfs,
    run: fullDisk,
  },
  F7: {
    title: 'fsync answers EIO at the N-th time',
    bar: 'no answer after it, the process ends within 1 s with code 70, a restart finds all',
    engines: ['sqlite'],
    full: 200,
    quick: 2,
    piece: 50,
    missing: noStrace,
    run: failingSync,
  },
};
