/**
 * The store beside a model of it in memory: random histories of one tool with two teams, the same
 * answers and the same rows after each step. A failing history is shrunk and its seed printed.
 */
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { after, before, describe, test } from 'node:test';
import * as fc from 'fast-check';
import { JobError } from '../../src/job/errors.ts';
import { newId } from '../../src/job/ids.ts';
import { isFinal, mayMove, type Status } from '../../src/job/states.ts';
import {
  cancel,
  complete,
  fail,
  faulted,
  handBack,
  type Change,
} from '../../src/job/transitions.ts';
import { defineStatement } from '../../src/job/effects.ts';
import type { Held, Store } from '../../src/store/store.ts';
import { aJob, claim, who } from '../support/a-job.ts';
import { tempStore } from '../support/temp.ts';

const RUNS = 150;
const SEED = Math.floor(performance.timeOrigin);
const ATTEMPTS_MAX = 2;
const TEAMS = ['tem_a', 'tem_b'] as const;

const DONE = `CREATE TABLE done (job TEXT NOT NULL PRIMARY KEY)`;
const insertDone = defineStatement<{ job: string }>({
  name: 'insert_done',
  sqlite: 'INSERT INTO done (job) VALUES (:job)',
});
const getDone = defineStatement<{ job: string }>({
  name: 'get_done',
  sqlite: 'SELECT job FROM done WHERE job = :job',
});

interface ModelJob {
  readonly id: string;
  readonly createdAt: number;
  readonly team: string;
  turn: number;
  status: Status;
  runs: number;
  attempts: number;
  /** A claim with a short lease has lapsed until it is renewed. */
  lapsed: boolean;
}

/** Jobs in the order of their insertion, and every lease that any run ever had, newest last. */
interface Model {
  readonly jobs: ModelJob[];
}

interface Real {
  readonly store: Store;
  readonly tool: string;
  readonly leases: Map<string, string[]>;
}

const queued = (model: Model) =>
  model.jobs
    .filter(({ status }) => status === 'queued')
    .toSorted((a, b) => a.turn - b.turn || (a.id < b.id ? -1 : 1));

/** Of the two newest runs that are shown alike; ids of one millisecond have no order. */
function servedLast(jobs: readonly ModelJob[]): ModelJob | undefined {
  const runs = jobs.filter(({ runs: begun }) => begun > 0);
  const shown = ({ status }: ModelJob) =>
    isFinal(status) ? status === 'completed' : 'not at its end';
  const newest = [...Map.groupBy(runs, shown).values()].flatMap((alike) =>
    alike.toSorted((a, b) => (a.id < b.id ? 1 : -1)).slice(0, 2),
  );
  return newest.toSorted((a, b) => b.createdAt - a.createdAt || b.turn - a.turn)[0];
}

/** One turn later, and not before the front. */
function queueAgain(model: Model, job: ModelJob): void {
  job.turn = Math.max(job.turn + 1, queued(model)[0]?.turn ?? 0);
  job.status = 'queued';
}

async function assertSame(model: Model, { store }: Real): Promise<void> {
  for (const { id, team, status, runs, attempts } of model.jobs) {
    const row = await store.get(id, who({ team }));
    assert.deepEqual(
      [row?.status, row?.runs, row?.attempts],
      [status, runs, attempts],
      `${id} is not as the model has it`,
    );
    assert.equal((await store.read(getDone, { job: id })).length, status === 'completed' ? 1 : 0);
  }
}

type Command = fc.AsyncCommand<Model, Real>;

class Insert implements Command {
  readonly team: string;
  constructor(team: string) {
    this.team = team;
  }
  check = () => true;
  async run(model: Model, real: Real): Promise<void> {
    const job = aJob({ team: this.team, tool: real.tool, attemptsMax: ATTEMPTS_MAX });
    await real.store.insert(job, 0);
    const line = queued(model);
    const own = (jobs: readonly ModelJob[]) => jobs.filter(({ team }) => team === this.team);
    const behind = 1 + Math.max(-1, ...own(line).map((j) => j.turn));
    const front = line[0]?.turn;
    const served = servedLast(own(model.jobs));
    const isServed = front !== undefined && served !== undefined && served.turn >= front;
    const turn = Math.max(behind, (front ?? 0) + (isServed ? 1 : 0));
    model.jobs.push({ ...job, turn, status: 'queued', runs: 0, attempts: 0, lapsed: false });
    await assertSame(model, real);
  }
  toString = () => `insert(${this.team})`;
}

class Claim implements Command {
  readonly limit: number;
  readonly lapses: boolean;
  constructor(limit: number, lapses: boolean) {
    this.limit = limit;
    this.lapses = lapses;
  }
  check = () => true;
  async run(model: Model, real: Real): Promise<void> {
    const expected = queued(model).slice(0, this.limit);
    const { jobs } = await claim(real.store, {
      tools: [real.tool],
      limit: this.limit,
      leaseMs: this.lapses ? 1 : 600_000,
    });
    assert.deepEqual(
      jobs.map(({ id }) => id),
      expected.map(({ id }) => id),
    );
    for (const [index, job] of expected.entries()) {
      Object.assign(job, { status: 'running', runs: job.runs + 1, lapsed: this.lapses });
      real.leases.set(job.id, [...(real.leases.get(job.id) ?? []), jobs[index]?.lease ?? '']);
    }
    await assertSame(model, real);
  }
  toString = () => `claim(${this.limit}${this.lapses ? ', short' : ''})`;
}

const ENDS = ['complete', 'fail', 'fault', 'handBack', 'cancel', 'renew'] as const;

/** Something that the holder of a lease does, with its newest lease or with one that it had before. */
class Act implements Command {
  readonly at: number;
  readonly what: (typeof ENDS)[number];
  readonly stale: boolean;
  constructor(at: number, what: (typeof ENDS)[number], stale: boolean) {
    this.at = at;
    this.what = what;
    this.stale = stale;
  }
  check = (model: Readonly<Model>) => model.jobs.length > 0;
  async run(model: Model, real: Real): Promise<void> {
    const job = model.jobs[this.at % model.jobs.length];
    assert.ok(job);
    const leases = real.leases.get(job.id) ?? [];
    const lease = (this.stale ? leases.at(-2) : leases.at(-1)) ?? 'none';
    const holds = job.status === 'running' && lease === leases.at(-1);
    if (this.what === 'renew') await this.#renew(job, { id: job.id, lease }, { real, holds });
    else await this.#end(job, lease, { model, real, holds });
    await assertSame(model, real);
  }

  async #renew(job: ModelJob, held: Held, given: { real: Real; holds: boolean }): Promise<void> {
    const lost = await given.real.store.renew([held], 600_000);
    assert.deepEqual(lost, given.holds ? [] : [job.id]);
    if (given.holds) Object.assign(job, { lapsed: false });
  }

  async #end(
    job: ModelJob,
    lease: string,
    { model, real, holds }: { model: Model; real: Real; holds: boolean },
  ): Promise<void> {
    const { attempts, runs } = job;
    const run = { lease, runs, attempts, attemptsMax: ATTEMPTS_MAX, requestId: 'req_1' };
    const change = this.#change(job.id, run);
    const byCaller = this.what === 'cancel';
    const { outcome } = byCaller
      ? await real.store.applyAs(job.id, who({ team: job.team }), change)
      : await real.store.apply(job.id, change);
    const moves = byCaller ? mayMove(job.status, 'cancelled') : holds;
    assert.equal(outcome, moves ? 'applied' : 'stale');
    if (!moves) return;
    if (change.to === 'queued') queueAgain(model, job);
    else job.status = change.to;
    if (change.fault) job.attempts += 1;
  }

  #change(id: string, run: Parameters<typeof handBack>[0]): Change {
    switch (this.what) {
      case 'complete':
        return complete(run, '{}', [insertDone({ job: id }, { expect: 1 })]);
      case 'fail':
        return fail(run, new JobError('NO_PAPER'));
      case 'fault':
        return faulted(run, 'ATTEMPTS_EXHAUSTED', { baseMs: 0, maxMs: 0 });
      case 'cancel':
        return cancel('req_c');
      default:
        return handBack(run);
    }
  }
  toString = () => `${this.what}(${this.at}${this.stale ? ', stale' : ''})`;
}

class Sweep implements Command {
  check = () => true;
  async run(model: Model, real: Real): Promise<void> {
    await pause(2);
    const { moved } = await real.store.sweep({ retentionMs: 1e9, toolMissingMs: 1e9 });
    const expected = model.jobs.filter(({ status, lapsed }) => status === 'running' && lapsed);
    assert.deepEqual(moved.toSorted(), expected.map(({ id }) => id).toSorted());
    for (const job of expected) queueAgain(model, job);
    await assertSame(model, real);
  }
  toString = () => 'sweep';
}

const commands = [
  fc.constantFrom(...TEAMS).map((team) => new Insert(team)),
  fc.tuple(fc.integer({ min: 1, max: 3 }), fc.boolean()).map((given) => new Claim(...given)),
  fc
    .tuple(fc.nat(5), fc.constantFrom(...ENDS), fc.boolean())
    .map(([at, what, stale]) => new Act(at, what, stale)),
  fc.constant(new Sweep()),
];

describe('the store and its model', () => {
  const endings: (() => Promise<void> | void)[] = [];
  let store: Store;
  before(async () => {
    const migrations = [{ namespace: 'done', sqlite: [DONE] }];
    store = await tempStore({ after: (work) => endings.unshift(work) }, { migrations });
  });
  after(async () => {
    for (const end of endings) await end();
  });

  test('agree over random histories', async (t) => {
    t.diagnostic(`seed ${SEED}`);
    const property = fc.asyncProperty(
      fc.commands(commands, { maxCommands: 60, size: 'max' }),
      async (history) => {
        const model: Model = { jobs: [] };
        const real: Real = { store, tool: newId('tool'), leases: new Map() };
        try {
          await fc.asyncModelRun(() => ({ model, real }), history);
        } finally {
          // The next history must not meet what this one left running.
          for (const { id, team, status } of model.jobs) {
            if (!isFinal(status)) await store.applyAs(id, who({ team }), cancel('req_e'));
          }
        }
      },
    );
    await fc.assert(property, { numRuns: RUNS, seed: SEED, interruptAfterTimeLimit: 20_000 });
  });
});
