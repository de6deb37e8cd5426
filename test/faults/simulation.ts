/**
 * A deterministic simulation: the real statements, group commit and sweep on a database in memory,
 * under a clock that only we move, with workers that stall, die, lose answers and repeat themselves.
 * One seed is one history, the same every time.
 */
import { DatabaseSync } from 'node:sqlite';
import { JobError } from '../../src/job/errors.ts';
import type { Job, NewJob } from '../../src/job/job.ts';
import { isFinal, mayMove, type Status } from '../../src/job/states.ts';
import {
  ask,
  cancel,
  complete,
  fail,
  faulted,
  handBack,
  type Change,
} from '../../src/job/transitions.ts';
import type { Who } from '../../src/job/who.ts';
import { identityOf } from '../../src/store/process-identity.ts';
import { GroupCommit, type Outcome as Written } from '../../src/store/sqlite/group-commit.ts';
import { migrate } from '../../src/store/sqlite/migrate.ts';
import { JOBS_MIGRATIONS } from '../../src/store/sqlite/migrations.ts';
import { Operations } from '../../src/store/sqlite/operations.ts';
import { Sweep } from '../../src/store/sqlite/sweep.ts';
import type { Applied, Claimed, Replay } from '../../src/store/store.ts';
import { check, type JobRow } from './checker.ts';
import { told, type Fault, type FaultRun, type Outcome } from './fault.ts';
import { History, type View } from './history.ts';
import { DONE, insertDone } from './jobs.ts';
import { EMPTY } from './place.ts';
import { Seeded } from './random.ts';

const LEASE_MS = 10_000;
const STEPS = 40;
const TEAMS = ['tem_a', 'tem_b'] as const;
const TOOLS = ['print', 'mail'] as const;

interface Run {
  readonly job: Job;
}

interface Worker {
  readonly id: string;
  runs: Run[];
}

/** Time stands still but where it is moved. */
class Clock {
  readonly #wall = Date.now.bind(Date);
  readonly #mono = process.hrtime.bigint.bind(process.hrtime);
  #wallNow = this.#wall();
  #monoNow = Number(this.#mono() / 1_000_000n);

  take(): void {
    Date.now = () => this.#wallNow;
    process.hrtime.bigint = () => BigInt(this.#monoNow) * 1_000_000n;
  }

  giveBack(): void {
    Date.now = this.#wall;
    process.hrtime.bigint = this.#mono;
  }

  pass(ms: number): void {
    this.#monoNow += ms;
    this.#wallNow += ms;
  }

  jump(ms: number): void {
    this.#wallNow += ms;
  }
}

class Simulation {
  readonly #db = new DatabaseSync(':memory:');
  readonly #operations: Operations;
  readonly #sweep: Sweep;
  readonly #group: GroupCommit;
  readonly #clock: Clock;
  #random = new Seeded(0);
  #history = new History();
  #workers: Worker[] = [];
  #jobs: { id: string; team: string; args: string; key: string | null; tool: string }[] = [];
  #count = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    migrate(this.#db, [JOBS_MIGRATIONS, DONE]);
    this.#operations = new Operations(this.#db, 64);
    this.#sweep = new Sweep(this.#db, this.#operations);
    this.#group = new GroupCommit(this.#db, {
      beginMs: 10_000,
      pauseMs: 0,
      onBegin: () => this.#operations.reset(),
      onCommit: () => this.#noticeMoves(),
      onFatal: (error) => {
        throw error;
      },
    });
  }

  /** @returns what was found against the invariants */
  history(seed: number): string[] {
    for (const table of [
      'job_payloads',
      'jobs',
      'idempotency_keys',
      'workers',
      'done',
      'missing_tools',
    ]) {
      this.#db.exec(`DELETE FROM ${table}`);
    }
    this.#random = new Seeded(seed);
    this.#history = new History();
    this.#jobs = [];
    this.#moves.clear();
    this.#leases.clear();
    this.#illegal = [];
    this.#workers = Array.from({ length: 3 }, (_, i) => ({ id: `wrk_${i}`, runs: [] }));
    for (const worker of this.#workers) this.#beat(worker);
    for (let i = 0; i < STEPS; i += 1) this.#step();
    this.#settleAll();
    return [...this.#illegal, ...this.#check()];
  }

  /** Ask for one write, or several that share a commit; sometimes nothing of it ever happens. */
  #write<T>(verb: string, work: () => T): T | null {
    let written: Written | undefined;
    const member = {
      verb,
      askedAt: Number.MAX_SAFE_INTEGER,
      effects: [],
      isOneStatement: false,
      work,
    };
    this.#group.add({ ...member, settle: (outcome) => (written = outcome) });
    if (this.#random.isTrue(0.3))
      this.#group.add({
        ...member,
        verb: 'beat',
        work: () => this.#operations.probe(),
        settle: () => {},
      });
    this.#group.commit();
    if (!written) throw new Error('a write was not settled');
    if (!written.ok) {
      if (written.error instanceof JobError) return null;
      throw written.error;
    }
    return written.value as T;
  }

  #step(): void {
    const random = this.#random;
    const worker = random.of(this.#workers);
    const chance = random.next();
    if (chance < 0.2) this.#submit();
    else if (chance < 0.4) this.#claim(worker, random.isTrue(0.1));
    else if (chance < 0.6) this.#end(worker);
    else if (chance < 0.66) this.#renew(worker);
    else if (chance < 0.72) this.#byCaller();
    else if (chance < 0.82) this.#pass();
    else if (chance < 0.9) this.#poll();
    else if (chance < 0.98) this.#clock.pass(random.within(1, LEASE_MS));
    else if (chance < 0.99) this.#clock.jump(random.within(-100_000, 100_000));
    // It dies: what it held is known to nobody any more.
    else worker.runs = [];
  }

  /** Who is taken back must have let its lease run out, or look dead. */
  #pass(): void {
    const at = Number(process.hrtime.bigint() / 1_000_000n);
    const options = { retentionMs: 1e12, toolMissingMs: 1e12 };
    const before = new Map(this.#moves);
    const moved = this.#write('sweep', () => this.#sweep.pass(options).moved) ?? [];
    for (const id of moved) {
      if (before.get(id) === 'running' && (this.#leases.get(id) ?? 0) > at)
        this.#illegal.push(`I4: the live lease of ${id} was taken`);
    }
  }

  #hold(worker: Worker, ids: readonly string[]): void {
    const until = Number(process.hrtime.bigint() / 1_000_000n) + LEASE_MS;
    for (const id of ids) this.#leases.set(id, worker.id === 'wrk_2' ? 0 : until);
  }

  #beat({ id }: Worker): void {
    // One looks dead to the others, though it works on: what it held is given away at once.
    const process = id === 'wrk_2' ? DEAD : ALIVE;
    this.#operations.beat({ id, process, supervisor: process, tools: TOOLS });
  }

  #submit(): void {
    const random = this.#random;
    const again = this.#jobs.length > 0 && random.isTrue(0.3) ? random.of(this.#jobs) : null;
    const team = again?.team ?? random.of(TEAMS);
    const tool = again?.tool ?? random.of(TOOLS);
    const name = `k${(this.#count += 1)}`;
    const args = again && random.isTrue(0.7) ? again.args : JSON.stringify({ key: name });
    const key = again ? again.key : random.isTrue(0.5) ? name : null;
    if (again && key === null) return;
    const job = newJob(`mjb_${name.padStart(8, '0')}`, { team, tool, args });
    const deed = { op: 'submit', team, owner: 'usr', tool, key, args } as const;
    const invoked = this.#history.invoke<'submit'>('caller', deed);
    const given = { key: key ?? '', hash: args, answer: '{}', ttlMs: 1e9 };
    const replay = this.#write<Replay | null | boolean>('insert', () =>
      key === null ? this.#operations.insert(job, 0) : this.#operations.insertOnce(job, 0, given),
    );
    const first = typeof replay === 'object' && replay ? replay : { jobId: job.id, hash: args };
    if (first.jobId === job.id) this.#jobs.push({ id: job.id, team, args, key, tool });
    if (first.hash !== args) return invoked.fail('IDEMPOTENCY_CONFLICT');
    if (!random.isTrue(0.1)) invoked.ok({ job: first.jobId });
  }

  #claim(worker: Worker, isAnswerLost: boolean): void {
    const request = {
      worker: worker.id,
      tools: TOOLS,
      limit: this.#random.within(1, 3),
      leaseMs: LEASE_MS,
    };
    const idle = worker.runs.length === 0;
    const claimed = this.#write<Claimed>('claim', () =>
      this.#operations.claim({ ...request, idle }),
    );
    this.#hold(
      worker,
      (claimed?.jobs ?? []).map(({ id }) => id),
    );
    for (const job of claimed?.jobs ?? []) {
      const value = { job: job.id, lease: job.lease ?? '', run: job.runs };
      this.#history.saw<'claim'>(worker.id, { op: 'claim' }, value);
      if (!isAnswerLost) worker.runs.push({ job });
    }
  }

  /** A run ends, perhaps long after its lease, perhaps twice, perhaps with its answer lost. */
  #end(worker: Worker): void {
    if (worker.runs.length === 0) return;
    const random = this.#random;
    const run = random.of(worker.runs);
    const change = this.#change(run.job);
    this.#settle(worker, run.job, change);
    if (random.isTrue(0.15)) this.#settle(worker, run.job, change);
    if (random.isTrue(0.9)) worker.runs = worker.runs.filter((one) => one !== run);
  }

  #settle(worker: Worker, job: Job, change: Change): void {
    const applied = this.#write<Applied>('apply', () =>
      this.#operations.apply(job.id, change, null),
    );
    const deed = { op: 'settle', job: job.id, lease: job.lease ?? '', to: change.to } as const;
    this.#history.saw<'settle'>(worker.id, deed, { applied: applied?.outcome === 'applied' });
  }

  #change(job: Job): Change {
    const run = job.lease ?? '';
    const result = JSON.stringify({ run, text: 'x'.repeat(this.#random.below(90)) });
    switch (this.#random.below(6)) {
      case 0:
        return fail(job, new JobError('NO_PAPER'));
      case 1:
        return this.#faulted(job);
      case 2:
        return handBack(job, { alone: this.#random.isTrue(0.3) });
      case 3:
        return ask(job, { size: 'How large?' }, 20_000);
      default:
        return complete(job, result, [insertDone({ job: job.id, run }, { expect: 1 })]);
    }
  }

  /** The rest before the next attempt is random in the product; here it follows from the seed. */
  #faulted(job: Job): Change {
    const change = faulted(job, 'ATTEMPTS_EXHAUSTED');
    return change.delayMs === undefined
      ? change
      : { ...change, delayMs: this.#random.below(2_000) };
  }

  #renew(worker: Worker): void {
    const held = worker.runs.map(({ job }) => ({ id: job.id, lease: job.lease ?? '' }));
    const lost = this.#write('renew', () => this.#operations.renew(held, LEASE_MS)) ?? [];
    this.#hold(
      worker,
      held.map(({ id }) => id).filter((id) => !lost.includes(id)),
    );
    // A worker that hears of it stops; one in eight does not.
    if (!this.#random.isTrue(0.12))
      worker.runs = worker.runs.filter(({ job }) => !lost.includes(job.id));
    this.#write('beat', () => this.#beat(worker));
  }

  #byCaller(): void {
    if (this.#jobs.length === 0) return;
    const { id, team } = this.#random.of(this.#jobs);
    const isStranger = this.#random.isTrue(0.2);
    const who = whoOf(isStranger ? 'tem_x' : team);
    const applied = this.#random.isTrue(0.5)
      ? this.#write<Applied>('answer', () =>
          this.#operations.answer(id, who, { size: { action: 'accept' } }),
        )
      : this.#write<Applied>('apply', () => this.#operations.apply(id, cancel('req'), who));
    if (isStranger && applied?.outcome === 'applied')
      this.#illegal.push(`I9: a stranger changed ${id}`);
  }

  #poll(): void {
    if (this.#jobs.length === 0) return;
    const { id, team } = this.#random.of(this.#jobs);
    const row = this.#row(id);
    const deed = { op: 'poll', team, owner: 'usr', job: id } as const;
    this.#history.saw<'poll'>('caller', deed, row ? viewOf(row) : null);
  }

  #row(id: string): JobRow | undefined {
    return this.#db.prepare('SELECT * FROM jobs WHERE id = ?').get(id) as unknown as
      JobRow | undefined;
  }

  /** Until when the newest run of each job holds it. */
  readonly #leases = new Map<string, number>();
  /** The last status of each job, so that every move is seen to be a legal one. */
  readonly #moves = new Map<string, Status>();
  #illegal: string[] = [];

  #noticeMoves(): void {
    for (const { id, status } of this.#operations.changed) {
      const before = this.#moves.get(id);
      const isSame = before === status && !isFinal(status);
      if (before !== undefined && !isSame && !mayMove(before, status)) {
        this.#illegal.push(`I2: ${id} moved from ${before} to ${status}`);
      }
      this.#moves.set(id, status);
    }
  }

  /** With one worker that does what it should, everything ends. */
  #settleAll(): void {
    const sound: Worker = { id: 'wrk_end', runs: [] };
    for (let i = 0; i < 60; i += 1) {
      this.#clock.pass(LEASE_MS);
      this.#write('sweep', () => this.#sweep.pass({ retentionMs: 1e12, toolMissingMs: 1e12 }));
      this.#claim(sound, false);
      for (const { job } of sound.runs) {
        const run = job.lease ?? '';
        const effects = [insertDone({ job: job.id, run }, { expect: 1 })];
        this.#settle(sound, job, complete(job, JSON.stringify({ run }), effects));
      }
      sound.runs = [];
      const open = this.#db.prepare('SELECT 1 FROM jobs WHERE completed_at IS NULL LIMIT 1').get();
      if (!open) return;
    }
  }

  #check(): string[] {
    const rows = this.#db
      .prepare(
        `SELECT jobs.*, coalesce(input, i.body) AS input, coalesce(result, r.body) AS result FROM jobs
        LEFT JOIN job_payloads i ON i.job_id = id AND i.kind = 'input'
        LEFT JOIN job_payloads r ON r.job_id = id AND r.kind = 'result'`,
      )
      .all() as unknown as JobRow[];
    const all = <T>(text: string) => this.#db.prepare(text).all() as T[];
    const remains = {
      ...EMPTY,
      jobs: rows,
      effects: all<{ job: string; run: string }>('SELECT job, run FROM done'),
      keys: all<(typeof EMPTY)['keys'][number]>(
        'SELECT team_id, owner_id, tool, key, job_id FROM idempotency_keys',
      ),
    };
    return check(this.#history.entries, remains).map(told);
  }

  close(): void {
    this.#db.close();
  }
}

const ALIVE = identityOf(process.pid);
/** A process of this machine that is not there. */
const DEAD = ALIVE.split('/').with(2, '4194303').join('/');

const whoOf = (team: string): Who => ({ team, owner: 'usr', abilities: ['*'] });

function newJob(
  id: string,
  { team, tool, args }: { team: string; tool: string; args: string },
): NewJob {
  const common = { owner: 'usr', scope: null, carry: null, requestId: 'req' };
  return {
    ...common,
    id,
    team,
    tool,
    input: args,
    attemptsMax: 3,
    timeoutMs: 60_000,
    createdAt: Date.now(),
  };
}

function viewOf(row: JobRow): View {
  const { status } = row;
  const shown =
    status === 'waiting' || (status === 'queued' && row.started_at !== null)
      ? 'running'
      : status === 'cancelled'
        ? 'failed'
        : status;
  const outcome = isFinal(status) ? `${row.error}` : null;
  return { status: shown, outcome, attempt: row.attempts };
}

async function simulate({ seed, count }: FaultRun): Promise<Outcome> {
  const violations: string[] = [];
  let runs = 0;
  const clock = new Clock();
  clock.take();
  try {
    const simulation = new Simulation(clock);
    for (let i = 0; i < count && violations.length < 20; i += 1) {
      const found = simulation.history(seed + i);
      violations.push(...found.map((what) => `seed ${seed + i}: ${what}`));
      runs += 1;
    }
    simulation.close();
  } finally {
    clock.giveBack();
  }
  return { runs, counted: { steps: runs * STEPS }, violations };
}

export const SIMULATION: Readonly<Record<string, Fault>> = {
  F19: {
    title: 'a deterministic simulation of store, workers and clock',
    bar: '0 violations in 100,000 seeded histories',
    engines: ['sqlite'],
    full: 100_000,
    quick: 1_000,
    piece: 50_000,
    run: simulate,
  },
};
