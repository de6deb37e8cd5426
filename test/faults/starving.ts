/** Processes that get too little - of the processor, of descriptors, of memory - and jobs that take it. */
import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { until } from '../support/until.ts';
import {
  atRest,
  percentile,
  withEnding,
  type Fault,
  type FaultRun,
  type Outcome,
} from './fault.ts';
import { Fleet, type Client, type FleetOptions } from './fleet.ts';
import { childrenOf, type StartOptions } from '../support/child.ts';
import { together } from './sums.ts';
import { openFiles } from './measure.ts';
import { ENGINES, place } from './place.ts';
import { storm } from './storm.ts';

const LEASE_MS = 1_000;

interface Scene {
  readonly fleet: Fleet;
  readonly client: Client;
}

async function scene(run: FaultRun, options: FleetOptions, how: StartOptions = {}): Promise<Scene> {
  const at = await place(run.t, run.engine, tmpdir());
  const [caller] = await at.callers(1);
  if (!caller) throw new Error('nobody calls');
  const fleet = new Fleet(run.t, at, { application: 'works', ...options });
  await fleet.start({}, how);
  return { fleet, client: fleet.client(caller, 'ann') };
}

const staleSettles = (fleet: Fleet): number =>
  fleet.history.entries.filter(
    ({ deed, value }) =>
      deed.op === 'settle' && value !== null && 'applied' in value && !value.applied,
  ).length;

/** Handlers that block their loop for twice the lease. */
async function blocked(run: FaultRun): Promise<Outcome> {
  const { fleet, client } = await scene(run, { workers: 2, concurrency: 6, leaseMs: LEASE_MS });
  await fleet.guest('inside', { concurrency: 1 });
  const keys = Array.from({ length: run.count }, (_, n) => `b${run.seed}-${n}`);
  await Promise.all(
    keys.map((key) => client.submitSurely('drowsy', { key, ms: 2 * LEASE_MS }, key)),
  );
  const { violations, remains } = await atRest(fleet, {}, 120_000);
  const runs = remains.jobs.reduce((sum, job) => sum + job.runs, 0);
  return {
    runs: run.count,
    counted: { 'runs of handlers': runs, 'refused late writes': staleSettles(fleet) },
    violations,
  };
}

const HOGS = 6;

/** More processes want the processor than it can serve, and leases are short. */
async function starved(run: FaultRun): Promise<Outcome> {
  const ms = Math.min(20_000, 1_000 * run.count);
  return storm(run, {
    application: 'works',
    fleet: { leaseMs: LEASE_MS },
    guests: 1,
    async disturb() {
      const hogs = Array.from({ length: HOGS }, () =>
        spawn(process.execPath, [
          '-e',
          `const end = Date.now() + ${ms}; while (Date.now() < end);`,
        ]),
      );
      await pause(ms);
      for (const hog of hogs) hog.kill('SIGKILL');
      return { 'starved for s': ms / 1_000 };
    },
  });
}

/** Descriptors that a server may have; its database and its workers need some thirty of them. */
const FILES = 120;

/** Connections take every descriptor of the server, and a worker dies that needs some to come back. */
async function noFiles(run: FaultRun): Promise<Outcome> {
  const through = ['sh', '-c', `ulimit -n ${FILES}; exec "$@"`, 'sh'];
  const { fleet, client } = await scene(run, { workers: 2, concurrency: 2 }, { through });
  const violations: string[] = [];
  const { server, url } = fleet;
  const [first] = (server.lines[0]?.['pids'] ?? []) as number[];
  let most = 0;
  const rounds = Math.max(1, Math.round(run.count / 10));
  for (let round = 0; round < rounds; round += 1) {
    const key = (n: number) => `f${run.seed}-${round}-${n}`;
    await Promise.all(
      [1, 2, 3].map((n) => client.submitSurely('quick', { key: key(n), ms: 300 }, key(n))),
    );
    const crowd = Array.from({ length: 2 * FILES }, () => {
      const socket = connect(Number(new URL(url).port), '127.0.0.1');
      return socket.on('error', () => {}).resume();
    });
    await until('every descriptor is taken', () => openFiles(server.pid) >= FILES - 1, {
      ms: 15_000,
    });
    most = Math.max(most, openFiles(server.pid));
    if (round === 0 && first) process.kill(first, 'SIGKILL');
    await pause(2_000);
    if (server.process.exitCode !== null) violations.push(`round ${round}: the server has ended`);
    for (const socket of crowd) socket.destroy();
    const job = await client.submitSurely('quick', { key: key(4) }, key(4)).catch(() => null);
    if (job === null || !(await client.ended(job).catch(() => null)))
      violations.push(`round ${round}: no job is run after the descriptors are free again`);
  }
  const rest = await atRest(fleet);
  // In vain it was tried at growing distances, of 5 s at most.
  await until('both workers are back', () => childrenOf(server.pid).length === 2).catch(() =>
    violations.push(`${childrenOf(server.pid).length} of 2 workers came back`),
  );
  return {
    runs: rounds,
    counted: { 'open files at most': most },
    violations: [...violations, ...rest.violations],
  };
}

const POISONS = ['exits', 'crashes', 'loops', 'eats'] as const;
const GOOD_EVERY_MS = 40;
const START_MS = 1_000;

/** How long usual jobs wait to be begun, while poison is given or not. */
async function startsOf(run: FaultRun, poisons: number): Promise<Outcome & { p99: number }> {
  const { fleet, client } = await scene(run, { workers: 3, concurrency: 4 });
  const ids: string[] = [];
  const given = (async () => {
    for (let n = 0; n < poisons; n += 1) {
      const key = `${POISONS[(run.seed + n) % POISONS.length]}-${run.seed}-${n}`;
      ids.push(await client.submitSurely('poison', { key }, key));
      await pause(1_500);
    }
  })();
  const good: Promise<string>[] = [];
  for (let n = 0; n < 50 + poisons * 40; n += 1) {
    const key = `good-${run.seed}-${n}`;
    good.push(client.submitSurely('quick', { key, ms: 5 }, key));
    await pause(GOOD_EVERY_MS);
  }
  await Promise.all([given, ...good]);
  const { remains, violations } = await atRest(fleet, {}, 60_000 + poisons * 8_000);
  const byId = new Map(remains.jobs.map((job) => [job.id, job]));
  const others = remains.jobs.filter(({ tool }) => tool === 'quick');
  const waits = others.map((job) => (job.started_at ?? Infinity) - job.created_at);
  const wrong = [
    ...ids
      .filter((id) => byId.get(id)?.status !== 'failed')
      .map((id) => `${id} is ${byId.get(id)?.status}`),
    ...others
      .filter(({ status }) => status !== 'completed')
      .map(({ id, error }) => `${id} did nothing wrong and failed: ${error}`),
  ];
  if (fleet.server.process.exitCode !== null) wrong.push('the server went with them');
  return {
    runs: poisons,
    counted: {
      'other jobs': others.length,
      'most runs of a poison': Math.max(0, ...ids.map((id) => byId.get(id)?.runs ?? 0)),
      'most runs of another': Math.max(...others.map(({ runs }) => runs)),
    },
    violations: [...violations, ...wrong],
    p99: percentile(waits, 0.99),
  };
}

/** Jobs that end their process at each attempt, beside jobs that have done nothing wrong. */
async function poisoned(run: FaultRun): Promise<Outcome> {
  const base = await withEnding((t) => startsOf({ ...run, t }, 0));
  const bad = await withEnding((t) => startsOf({ ...run, t }, run.count));
  const violations = [...base.violations, ...bad.violations];
  const maxMs = Math.max(START_MS, 2 * base.p99);
  if (bad.p99 > maxMs)
    violations.push(`others began after ${bad.p99} ms (p99), ${base.p99} without`);
  return {
    runs: run.count,
    counted: { ...bad.counted, 'start p99 ms, without': base.p99, 'start p99 ms, with': bad.p99 },
    violations,
  };
}

export const STARVING: Readonly<Record<string, Fault>> = {
  F8: {
    title: `handlers that block their loop for twice the lease, ${HOGS} processes that take the processor, no descriptor left while a worker dies`,
    bar: '0 double effects; the server lives, and every worker comes back',
    engines: ENGINES,
    full: 20,
    piece: 10,
    quick: 4,
    async run(run) {
      const parts = [
        await withEnding((t) => blocked({ ...run, t })),
        await withEnding((t) => starved({ ...run, t })),
        await withEnding((t) => noFiles({ ...run, t })),
      ];
      return together(parts);
    },
  },
  F15: {
    title: 'poison: jobs that exit, crash, loop for ever or eat memory at each attempt',
    bar: `they fail after their attempts; other jobs begin within max(1 s, 2 × usual) (p99); the server is unharmed`,
    engines: ENGINES,
    alone: true,
    full: 16,
    piece: 4,
    quick: 2,
    run: poisoned,
  },
};
