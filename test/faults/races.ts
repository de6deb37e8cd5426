/** Calls that meet: many submissions under one key, and cancels at each phase of a job. */
import { tmpdir } from 'node:os';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Script } from '../support/child.ts';
import { until } from '../support/until.ts';
import { atRest, inPlaces, type Fault, type FaultRun, type Outcome } from './fault.ts';
import { Fleet, kill, type Client } from './fleet.ts';
import { marksOf } from './jobs.ts';
import { ENGINES, place, type Place } from './place.ts';
import { Seeded } from './random.ts';

const CALLERS = 50;
/** Some of the calls are answered by then, and some are not. */
const KILLED_WITHIN_MS = { sqlite: 60, postgres: 200 };
/** Servers that are killed at once; a start waits more than it computes. */
const SERVERS = 3;

/** So many at once submit the same under the same key, and the server dies among them. */
async function oneKey(run: FaultRun): Promise<Outcome> {
  const at = await place(run.t, run.engine, tmpdir());
  const [caller] = await at.callers(1);
  if (!caller) throw new Error('nobody calls');
  const fleet = new Fleet(run.t, at, { application: 'works' });
  const client = fleet.client(caller, 'ann');
  await fleet.start({ workers: 0 });
  // Who works lives on: it is the server that dies.
  await fleet.guest('guest', { workers: 1 });
  const violations: string[] = [];
  let cut = 0;
  for (let i = 0; i < run.count; i += 1) {
    const random = new Seeded(run.seed + i);
    const key = `one-${run.seed + i}`;
    const since = fleet.history.entries.length;
    const calls = Array.from({ length: CALLERS }, () => client.submit('quick', { key }, key));
    await pause(random.below(KILLED_WITHIN_MS[run.engine]));
    await kill(fleet.server);
    await Promise.all(calls);
    await fleet.start({ workers: 0 });
    cut += fleet.history.entries.slice(since).filter(({ outcome }) => outcome !== 'ok').length;
    const again = Array.from({ length: CALLERS }, () => client.submitSurely('quick', { key }, key));
    const jobs = new Set(await Promise.all(again));
    if (jobs.size !== 1)
      violations.push(`seed ${run.seed + i}: ${CALLERS} were told of ${jobs.size} jobs`);
  }
  const rest = await atRest(fleet);
  if (rest.remains.jobs.length !== run.count)
    violations.push(`${run.count} keys made ${rest.remains.jobs.length} jobs`);
  const counted = { 'calls cut': cut, 'calls in all': fleet.history.entries.length };
  return { runs: run.count, counted, violations: [...violations, ...rest.violations] };
}

interface Scene {
  readonly at: Place;
  readonly fleet: Fleet;
  readonly client: Client;
  readonly random: Seeded;
  /** Who works in this round; its server has no worker. */
  worker: Script | null;
}

interface Cancelled {
  readonly id: string;
  readonly key: string;
}

const open = ({ at }: Scene, key: string) => writeFileSync(join(at.folder, key), '');
const said = ({ worker }: Scene, { id }: Cancelled, event: string, to?: string) =>
  worker?.lines.some(
    (line) =>
      line['event'] === event && line['id'] === id && (to === undefined || line['to'] === to),
  ) ?? false;
const marked = ({ at }: Scene, { key }: Cancelled, what: string) =>
  marksOf(at.folder).some((mark) => mark.key === key && mark.what === what);

interface Phase {
  readonly tool: string;
  /** Comes to the moment in which the job is to be cancelled. */
  readonly reach: (scene: Scene, job: Cancelled) => Promise<unknown>;
  /** Done once, when all have come to it. */
  readonly lastly?: (scene: Scene) => Promise<void>;
}

const quickly = { everyMs: 1, ms: 20_000 };

/** In this order: nobody works in the first, and in the last the worker goes. */
const PHASES: Readonly<Record<string, Phase>> = {
  queued: { tool: 'gated', reach: () => Promise.resolve() },
  claimed: {
    tool: 'gated',
    reach: (scene, job) => until('it is claimed', () => said(scene, job, 'claimed'), quickly),
  },
  running: {
    tool: 'gated',
    reach: (scene, job) => until('it began', () => marked(scene, job, 'began'), quickly),
  },
  'telling its progress': {
    tool: 'chunky',
    async reach(scene, job) {
      await until('it began', () => marked(scene, job, 'began'), quickly);
      await pause(scene.random.below(80));
    },
  },
  settling: {
    tool: 'gated',
    async reach(scene, job) {
      await until('it began', () => marked(scene, job, 'began'), quickly);
      open(scene, job.key);
      // It looks every 5 ms.
      await pause(scene.random.below(9));
    },
  },
  waiting: {
    tool: 'asks',
    reach: (scene, job) => until('it asks', () => said(scene, job, 'settled', 'waiting'), quickly),
  },
  'resting before a retry': {
    tool: 'resting',
    reach: (scene, job) => until('it rests', () => said(scene, job, 'settled', 'queued'), quickly),
  },
  'handed back': {
    tool: 'gated',
    reach: (scene, job) => until('it began', () => marked(scene, job, 'began'), quickly),
    async lastly({ worker }) {
      worker?.kill('SIGTERM');
      await worker?.ended;
    },
  },
};

/** Jobs that are in one phase at the same time, and places where this happens. */
const AT_ONCE = 4;
const PLACES = 5;

async function cancelIn(scene: Scene, name: string, round: string): Promise<void> {
  const phase = PHASES[name];
  if (!phase) throw new Error(`${name} is no phase`);
  const keys = Array.from(
    { length: AT_ONCE },
    (_, n) => `${round}-${n}-${name.replaceAll(' ', '_')}`,
  );
  const cancel = async ({ id, key }: Cancelled): Promise<void> => {
    await scene.client.cancel(id);
    open(scene, key);
  };
  const jobs = await Promise.all(
    keys.map(async (key) => {
      const job = { key, id: await scene.client.submitSurely(phase.tool, { key }, key) };
      await phase.reach(scene, job);
      if (!phase.lastly) await cancel(job);
      return job;
    }),
  );
  if (!phase.lastly) return;
  await phase.lastly(scene);
  await Promise.all(jobs.map(cancel));
}

async function cancels(run: FaultRun): Promise<Outcome> {
  const at = await place(run.t, run.engine, tmpdir());
  const [caller] = await at.callers(1);
  if (!caller) throw new Error('nobody calls');
  const fleet = new Fleet(run.t, at, {
    application: 'works',
    workers: 0,
    concurrency: 2 * AT_ONCE,
  });
  await fleet.start();
  const random = new Seeded(run.seed);
  const scene: Scene = { at, fleet, client: fleet.client(caller, 'ann'), random, worker: null };
  const counted: Record<string, number> = {};
  for (let i = 0; i < run.count; i += AT_ONCE) {
    writeFileSync(join(at.folder, 'marks'), '');
    scene.worker = null;
    for (const name of Object.keys(PHASES)) {
      if (name === 'claimed')
        scene.worker = await fleet.guest(random.isTrue(0.5) ? 'guest' : 'inside', { workers: 1 });
      await cancelIn(scene, name, `x${run.seed}-${i}`);
    }
  }
  await fleet.guest('guest', { workers: 1 });
  const rest = await atRest(fleet);
  for (const { input, status } of rest.remains.jobs) {
    const phase = /-\d+-(\w+)"/.exec(input ?? '')?.[1]?.replaceAll('_', ' ') ?? 'unknown';
    const what = status === 'cancelled' ? phase : `${phase}: too late`;
    counted[what] = (counted[what] ?? 0) + 1;
  }
  return { runs: run.count * Object.keys(PHASES).length, counted, violations: rest.violations };
}

export const RACES: Readonly<Record<string, Fault>> = {
  F40: {
    title: `${CALLERS} submit the same under one key at once, while the server is killed`,
    bar: 'one job for each key, and everybody is told of it',
    engines: ENGINES,
    full: 300,
    quick: 5,
    piece: 60,
    run: (run) => inPlaces(SERVERS, run, oneKey),
  },
  F41: {
    title: 'a cancel in each phase of a job',
    bar: 'what was cancelled stays so, has no effects, and is no longer run',
    engines: ENGINES,
    full: 300,
    quick: 4,
    piece: 100,
    run: (run) => inPlaces(PLACES, run, cancels),
  },
};
