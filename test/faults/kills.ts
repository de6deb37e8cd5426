/** Processes that are killed: at named points, at random under load, politely with work in hand. */
import { tmpdir } from 'node:os';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { monotonic } from '../../src/job/clock.ts';
import { isAlive, type Script } from '../support/child.ts';
import { until } from '../support/until.ts';
import {
  atRest,
  inLanes,
  percentile,
  withEnding,
  type Fault,
  type FaultRun,
  type Outcome,
} from './fault.ts';
import { batchOf, Fleet, kill, type Client } from './fleet.ts';
import { marksOf } from './jobs.ts';
import { ENGINES, place, type Place } from './place.ts';
import { Seeded } from './random.ts';
import { storm, type Storm } from './storm.ts';
import { together } from './sums.ts';

/** A kill waits more than it computes. */
const LANES = 3;

const VICTIMS = ['server', 'worker', 'guest', 'inside'] as const;
type Victim = (typeof VICTIMS)[number];

interface Scene {
  readonly fleet: Fleet;
  readonly at: Place;
  readonly client: Client;
  readonly key: string;
  readonly random: Seeded;
}

const open = ({ at, key }: Scene) => writeFileSync(join(at.folder, key), '');
const marked = ({ at, key }: Scene, what: string) =>
  marksOf(at.folder).find((mark) => mark.key === key && mark.what === what);
const said = (scripts: readonly Script[], event: string, to?: string) =>
  scripts.some(({ lines }) =>
    lines.some((line) => line['event'] === event && (to === undefined || line['to'] === to)),
  );

/** When the kill comes; each waits for what it is named after. */
const POINTS: Readonly<Record<string, (scene: Scene, nodes: readonly Script[]) => Promise<void>>> =
  {
    'while the submission is under way': async ({ client, key, random }) => {
      void client.submit('gated', { key }, key);
      await pause(random.below(12));
    },
    acknowledged: async ({ client, key }) => void (await client.submit('gated', { key }, key)),
    claimed: async (scene, nodes) => {
      await scene.client.submit('gated', { key: scene.key }, scene.key);
      await until('it is claimed', () => said(nodes, 'claimed'), { everyMs: 1 });
    },
    'in the handler': async (scene) => {
      await scene.client.submit('gated', { key: scene.key }, scene.key);
      await until('it began', () => marked(scene, 'began'), { everyMs: 1 });
    },
    'before the end is written': async (scene) => {
      await scene.client.submit('gated', { key: scene.key }, scene.key);
      await until('it began', () => marked(scene, 'began'));
      open(scene);
      await until('it ended', () => marked(scene, 'ended'), { everyMs: 1 });
    },
    'while the end is written': async (scene) => {
      await scene.client.submit('gated', { key: scene.key }, scene.key);
      await until('it began', () => marked(scene, 'began'));
      open(scene);
      await until('it ended', () => marked(scene, 'ended'), { everyMs: 1 });
      await pause(scene.random.below(6));
    },
    'while it is cancelled': async (scene) => {
      const job = await scene.client.submit('gated', { key: scene.key }, scene.key);
      await until('it began', () => marked(scene, 'began'));
      void scene.client.cancel(job ?? '');
      await pause(scene.random.below(12));
    },
    'after the end is written': async (scene, nodes) => {
      await scene.client.submit('gated', { key: scene.key }, scene.key);
      open(scene);
      await until('it is settled', () => said(nodes, 'settled', 'completed'), { everyMs: 1 });
    },
  };

/** One kill at one point, a restart, and a look at everything. */
async function killAt(run: FaultRun, point: string, victim: Victim): Promise<readonly string[]> {
  return withEnding(async (t) => {
    const at = await place(t, run.engine, tmpdir());
    const [caller] = await at.callers(1);
    if (!caller) throw new Error('nobody calls');
    const fleet = new Fleet(t, at, { application: 'works', leaseMs: 2_000 });
    const isServers = victim === 'server' || victim === 'worker';
    const server = await fleet.start({ workers: isServers ? 1 : 0 });
    const beside = isServers ? null : await fleet.guest(victim, { workers: 1 });
    const client = fleet.client(caller, 'ann');
    const scene = { fleet, at, client, key: `k${run.seed}`, random: new Seeded(run.seed) };
    const reach = POINTS[point];
    if (!reach) throw new Error(`${point} is no point`);
    await reach(scene, beside ? [server, beside] : [server]);
    if (victim === 'worker') {
      const { pid } = marked(scene, 'began') ?? {};
      if (pid !== undefined && isAlive(pid)) process.kill(pid, 'SIGKILL');
    } else await kill(victim === 'server' ? server : (beside ?? server));
    open(scene);
    if (victim === 'server') await fleet.start({ workers: 1 });
    if (beside) await fleet.guest('guest', { workers: 1 });
    await client.submitSurely('gated', { key: scene.key }, scene.key);
    const { violations } = await atRest(fleet, {}, 20_000);
    return violations.map((what) => `${point}, ${victim}: ${what}`);
  });
}

async function namedPoints(run: FaultRun): Promise<Outcome> {
  const all = Object.keys(POINTS).flatMap((point) =>
    VICTIMS.map((victim) => [point, victim] as const),
  );
  const violations: string[] = [];
  await inLanes(LANES, run.count, async (i) => {
    const seed = run.seed + i;
    const [point, victim] = all[seed % all.length] ?? ['claimed', 'server'];
    const found = await killAt({ ...run, seed }, point, victim);
    violations.push(...found.map((what) => `seed ${seed}: ${what}`));
  });
  const points = Math.min(run.count, all.length);
  return { runs: run.count, counted: { points }, violations };
}

async function killOne({ fleet, random }: Storm, guest: { script: Script }): Promise<string> {
  const pick = random.below(10);
  if (pick < 5) {
    await kill(fleet.server);
    await pause(random.below(100));
    await fleet.start();
    return 'server';
  }
  if (pick < 8) {
    const pids = marksOf(fleet.place.folder)
      .map(({ pid }) => pid)
      .filter(isAlive);
    if (pids.length > 0) process.kill(random.of(pids), 'SIGKILL');
    return 'worker';
  }
  await kill(guest.script);
  guest.script = await fleet.guest(random.isTrue(0.5) ? 'guest' : 'inside', { workers: 1 });
  return 'guest';
}

/** Kill something every 0.2 to 2 seconds, as often as it was asked for. */
async function underLoad(run: FaultRun): Promise<Outcome> {
  const halves = (['works', 'codes'] as const).map((application, i) => ({
    application,
    kills: Math.max(1, Math.round(run.count * (i === 0 ? 0.6 : 0.4))),
  }));
  const outcomes = await Promise.all(
    halves.map(({ application, kills }) =>
      withEnding((t) =>
        storm(
          { ...run, t },
          {
            application,
            async disturb(scene) {
              const guest = { script: await scene.fleet.guest('guest', { workers: 1 }) };
              const counted: Record<string, number> = {};
              for (let i = 0; i < kills; i += 1) {
                await pause(scene.random.within(200, run.count > 20 ? 1_000 : 400));
                const who = await killOne(scene, guest);
                counted[`${who} kills`] = (counted[`${who} kills`] ?? 0) + 1;
              }
              return counted;
            },
          },
        ),
      ),
    ),
  );
  return { ...together(outcomes), runs: run.count };
}

const STOPS_WITHIN_MS = 10_000;
const RUNNING = 20;

/** SIGTERM with work in hand: the work is handed back, and nobody is blamed. */
async function politely(run: FaultRun): Promise<Outcome> {
  const at = await place(run.t, run.engine, tmpdir());
  const [caller] = await at.callers(1);
  if (!caller) throw new Error('nobody calls');
  const fleet = new Fleet(run.t, at, {
    application: 'works',
    workers: 2,
    concurrency: RUNNING / 2,
  });
  const client = fleet.client(caller, 'ann');
  const violations: string[] = [];
  const times: number[] = [];
  for (let i = 0; i < run.count; i += 1) {
    const server = await fleet.start();
    const keys = Array.from({ length: RUNNING }, (_, n) => `t${run.seed}-${i}-${n}`);
    await Promise.all(keys.map((key) => client.submitSurely('gated', { key }, key)));
    const begun = () => new Set(marksOf(at.folder).map(({ key }) => key));
    await until('all run', () => keys.every((key) => begun().has(key)));
    const startedAt = monotonic();
    server.kill('SIGTERM');
    // What cannot be answered any more must not be lost either.
    const late = client.submit('quick', { key: `late-${i}` }, `late-${i}`);
    const ended = await server.ended;
    times.push(monotonic() - startedAt);
    await late;
    if (ended !== 0) violations.push(`SIGTERM ${i}: ended with ${ended}`);
    if ((times.at(-1) ?? 0) > STOPS_WITHIN_MS)
      violations.push(`SIGTERM ${i}: took ${times.at(-1)} ms`);
    for (const key of keys) writeFileSync(join(at.folder, key), '');
  }
  await fleet.start();
  const rest = await atRest(fleet);
  const blamed = rest.remains.jobs.filter(({ attempts }) => attempts > 0).length;
  if (blamed > 0) violations.push(`${blamed} jobs lost an attempt to a stop`);
  return {
    runs: run.count,
    counted: { 'running jobs': run.count * RUNNING, 'stop p99 ms': percentile(times, 0.99) },
    violations: [...violations, ...rest.violations],
  };
}

/** A batch is cut in the middle of being written, again and again. */
async function midBatch(run: FaultRun): Promise<Outcome> {
  const at = await place(run.t, run.engine, tmpdir());
  const [caller] = await at.callers(1);
  if (!caller) throw new Error('nobody calls');
  const fleet = new Fleet(run.t, at, { application: 'codes' });
  const client = fleet.client(caller, 'ann');
  await fleet.start();
  const plan = await client.plan();
  const random = new Seeded(run.seed);
  for (let i = 0; i < run.count; i += 1) {
    await client.submit('bulk_generate_access_codes', batchOf(plan, 500), `m${run.seed}-${i}`);
    await pause(random.below(120));
    await kill(fleet.server);
    await fleet.start();
  }
  const { violations, remains } = await atRest(fleet);
  return { runs: run.count, counted: { codes: remains.codes.length }, violations };
}

export const KILLS: Readonly<Record<string, Fault>> = {
  F2: {
    title: 'SIGKILL at named points of server, worker process and workers beside a server',
    bar: '0 violations at each of 32 points, 20 times each',
    engines: ENGINES,
    full: 640,
    quick: 4,
    piece: 16,
    async run(run) {
      const points = await namedPoints(run);
      const batches = await withEnding((t) =>
        midBatch({ ...run, t, count: Math.ceil(run.count / 4) }),
      );
      return together([points, batches]);
    },
  },
  F3: {
    title: 'SIGKILL at random under load',
    bar: '0 acknowledged jobs lost, 0 duplicated',
    engines: ENGINES,
    full: 1_000,
    quick: 6,
    piece: 30,
    run: underLoad,
  },
  F29: {
    title: `SIGTERM with ${RUNNING} jobs running`,
    bar: 'exit 0 within 10 s, work handed back, no attempt counted',
    engines: ENGINES,
    full: 100,
    quick: 1,
    piece: 10,
    run: politely,
  },
};
