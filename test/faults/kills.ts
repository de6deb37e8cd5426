/** Processes that are killed: at named points, at random under load. */
import { tmpdir } from 'node:os';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { childrenOf, isAlive, type Script } from '../support/child.ts';
import { until } from '../support/until.ts';
import { atRest, withEnding, type Fault, type FaultRun, type Outcome } from './fault.ts';
import { batchOf, Fleet, kill, type Client } from './fleet.ts';
import { marksOf } from './jobs.ts';
import { ENGINES, place, type Place } from './place.ts';
import { Seeded } from './random.ts';
import { storm, type Storm } from './storm.ts';
import { together } from './sums.ts';

const VICTIMS = ['server', 'worker', 'guest', 'inside'] as const;
type Victim = (typeof VICTIMS)[number];

interface Scene {
  readonly fleet: Fleet;
  readonly at: Place;
  readonly client: Client;
  readonly key: string;
  readonly random: Seeded;
  /** What the nodes have said by now is of earlier kills. */
  readonly nodes: readonly Script[];
  readonly since: readonly number[];
}

const open = ({ at, key }: Scene) => writeFileSync(join(at.folder, key), '');
const marked = ({ at, key }: Scene, what: string) =>
  marksOf(at.folder).find((mark) => mark.key === key && mark.what === what);
const said = ({ nodes, since }: Scene, event: string, to?: string) =>
  nodes.some(({ lines }, node) =>
    lines
      .slice(since[node])
      .some((line) => line['event'] === event && (to === undefined || line['to'] === to)),
  );

/** When the kill comes; each waits for what it is named after. */
const POINTS: Readonly<Record<string, (scene: Scene) => Promise<void>>> = {
  'while the submission is under way': async ({ client, key, random }) => {
    void client.submit('gated', { key }, key);
    await pause(random.below(12));
  },
  acknowledged: async ({ client, key }) => void (await client.submit('gated', { key }, key)),
  claimed: async (scene) => {
    await scene.client.submit('gated', { key: scene.key }, scene.key);
    await until('it is claimed', () => said(scene, 'claimed'), { everyMs: 1 });
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
  'after the end is written': async (scene) => {
    await scene.client.submit('gated', { key: scene.key }, scene.key);
    open(scene);
    await until('it is settled', () => said(scene, 'settled', 'completed'), { everyMs: 1 });
  },
};

const POINT_NAMES = Object.keys(POINTS);
const LEASE_MS = 2_000;

/** Seeds go through the victims, and slower through the points. */
const victimOf = (seed: number): Victim => VICTIMS[seed % VICTIMS.length] ?? 'server';
const nameOf = (seed: number): string =>
  POINT_NAMES[Math.floor(seed / VICTIMS.length) % POINT_NAMES.length] ?? 'claimed';

/** The worker processes of a server that has some. */
const workersOf = (server: Script, workers: number): number[] | null => {
  const pids = childrenOf(server.pid).filter(isAlive);
  return pids.length === workers ? pids : null;
};

/** One victim in a place of its own is killed at one point after another, each time with work in hand. */
async function killsOf(run: FaultRun, victim: Victim, seeds: readonly number[]): Promise<string[]> {
  const at = await place(run.t, run.engine, tmpdir());
  const [caller] = await at.callers(1);
  if (!caller) throw new Error('nobody calls');
  const fleet = new Fleet(run.t, at, { application: 'works', leaseMs: LEASE_MS });
  const workers = victim === 'server' || victim === 'worker' ? 1 : 0;
  const client = fleet.client(caller, 'ann');
  const begin = () =>
    workers > 0 ? null : fleet.guest(victim as 'guest' | 'inside', { workers: 1 });
  let server = await fleet.start({ workers });
  let beside = await begin();
  for (const seed of seeds) {
    const nodes = beside ? [server, beside] : [server];
    const since = nodes.map(({ lines }) => lines.length);
    const key = `k${seed}`;
    const scene = { fleet, at, client, key, random: new Seeded(seed), nodes, since };
    // The one that died before is replaced by now.
    const [worker] = await until('there is a worker', () => workersOf(server, workers));
    await POINTS[nameOf(seed)]?.(scene);
    if (victim === 'worker' && worker !== undefined) {
      process.kill(worker, 'SIGKILL');
      // Where its job had ended already, nothing else waits for its death, and it is taken for its own heir.
      await until('it is dead', () => !isAlive(worker));
    } else await kill(beside ?? server);
    open(scene);
    if (victim === 'server') server = await fleet.start({ workers });
    if (beside) beside = await begin();
    const job = await client.submitSurely('gated', { key }, key);
    await client.ended(job);
  }
  const { violations } = await atRest(fleet, {}, 20_000);
  const points = seeds.map(nameOf).join(', ');
  return violations.map((what) => `${victim}, ${points}: ${what}`);
}
async function namedPoints(run: FaultRun): Promise<Outcome> {
  const all = Array.from({ length: run.count }, (_, i) => run.seed + i);
  const found = await Promise.all(
    [...Map.groupBy(all, victimOf)].map(([victim, seeds]) =>
      withEnding((t) => killsOf({ ...run, t }, victim, seeds)),
    ),
  );
  const points = Math.min(run.count, VICTIMS.length * POINT_NAMES.length);
  return { runs: run.count, counted: { points }, violations: found.flat() };
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

/** Kill something again and again, as often as it was asked for. */
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
    piece: 64,
    async run(run) {
      const cuts = Math.ceil(run.count / 4);
      const batches = withEnding((t) => midBatch({ ...run, t, count: cuts }));
      return together(await Promise.all([namedPoints(run), batches]));
    },
  },
  F3: {
    title: 'SIGKILL at random under load',
    bar: '0 acknowledged jobs lost, 0 duplicated',
    engines: ENGINES,
    full: 1_000,
    quick: 6,
    piece: 100,
    run: underLoad,
  },
};
