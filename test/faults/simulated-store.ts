/**
 * The real statements, group commit and sweep on a database in memory. A call waits until the
 * simulation lets it happen, and its answer until the simulation lets it arrive. Beside it stands
 * what each job must be by what was done to it; whatever differs is told.
 */
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { bootId } from '../../src/job/clock.ts';
import { JobError } from '../../src/job/errors.ts';
import type { IdempotencyKey, Job, NewJob } from '../../src/job/job.ts';
import type { Json } from '../../src/job/json.ts';
import { isFinal, mayMove, type Status } from '../../src/job/states.ts';
import type { Change } from '../../src/job/transitions.ts';
import type { Who } from '../../src/job/who.ts';
import { jobOf, type Row } from '../../src/store/job-row.ts';
import { identityOf } from '../../src/store/process-identity.ts';
import { GroupCommit, type Outcome as Written } from '../../src/store/sqlite/group-commit.ts';
import { migrate } from '../../src/store/sqlite/migrate.ts';
import { JOBS_MIGRATIONS } from '../../src/store/sqlite/migrations.ts';
import { Operations } from '../../src/store/sqlite/operations.ts';
import { Sweep } from '../../src/store/sqlite/sweep.ts';
import type { Applied, Claimed, ClaimRequest, Held, Replay } from '../../src/store/store.ts';
import type { JobRow, Remains } from './checker.ts';
import { DONE } from './jobs.ts';
import { EMPTY } from './place.ts';
import type { VirtualTime } from './virtual-time.ts';

/** Inputs and results of more bytes stand apart from their row. */
const INLINE_BYTES_MAX = 64;
const EMPTIED = ['job_payloads', 'jobs', 'idempotency_keys', 'workers', 'done', 'missing_tools'];
export const RETENTION_MS = 86_400_000;
const ALIVE = identityOf(process.pid);
/** A process of this machine that is not there. */
const DEAD = ALIVE.split('/').with(2, '4194303').join('/');
const JOBS = `SELECT jobs.*, coalesce(input, i.body) AS input, coalesce(result, r.body) AS result FROM jobs
  LEFT JOIN job_payloads i ON i.job_id = id AND i.kind = 'input'
  LEFT JOIN job_payloads r ON r.job_id = id AND r.kind = 'result'`;

/** What a job must be. */
interface Known {
  readonly team: string;
  status: Status;
  lease: string | null;
  worker: string | null;
  /** On the monotonic clock. */
  until: number;
  dueAt: number;
}

/** One call: asked, done, answered. */
export interface Call {
  readonly owner: string;
  readonly verb: string;
  readonly work: () => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  written: Written | null;
}

export class SimulatedStore {
  readonly #db = new DatabaseSync(':memory:');
  readonly #time: VirtualTime;
  #operations: Operations;
  #sweep: Sweep;
  #group: GroupCommit;
  readonly #known = new Map<string, Known>();
  readonly #dead = new Set<string>();
  /** Asked for, or done and not yet answered. */
  calls: Call[] = [];
  /** What was found to be otherwise than it must be. */
  wrong: string[] = [];

  constructor(time: VirtualTime) {
    this.#time = time;
    migrate(this.#db, [JOBS_MIGRATIONS, DONE]);
    // Statements are prepared once for all histories.
    const prepared = new Map<string, StatementSync>();
    const prepare = this.#db.prepare.bind(this.#db);
    this.#db.prepare = (text) => {
      const statement = prepared.get(text) ?? prepare(text);
      prepared.set(text, statement);
      return statement;
    };
    [this.#operations, this.#sweep, this.#group] = this.#fresh();
  }

  #fresh(): [Operations, Sweep, GroupCommit] {
    const operations = new Operations(this.#db, INLINE_BYTES_MAX);
    const group = new GroupCommit(this.#db, {
      beginMs: 10_000,
      pauseMs: 0,
      place: { isKept: () => true, isOverwritten: () => false },
      onBegin: () => operations.reset(),
      onCommit: () => {},
      onFatal: (error) => {
        throw error;
      },
    });
    return [operations, new Sweep(this.#db, operations), group];
  }

  /** Empty, as at the beginning. */
  reset(): void {
    for (const table of EMPTIED) this.#db.prepare(`DELETE FROM ${table}`).run();
    [this.#operations, this.#sweep, this.#group] = this.#fresh();
    this.#known.clear();
    this.#dead.clear();
    this.calls = [];
    this.wrong = [];
  }

  close(): void {
    this.#db.close();
  }

  /** Every table with the columns that are written; the parents come first. */
  #tables(): { name: string; columns: string }[] {
    const text = `SELECT name, (SELECT group_concat(name) FROM pragma_table_info(t.name)) AS columns
      FROM sqlite_schema AS t WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`;
    return this.#db.prepare(text).all() as { name: string; columns: string }[];
  }

  /** Keep a copy of everything; what is returned puts it back. */
  backup(): () => void {
    const known = [...this.#known].map(([id, one]) => [id, { ...one }] as const);
    const tables = this.#tables();
    const run = (text: string) => void this.#db.prepare(text).run();
    for (const { name, columns } of tables) {
      const rows = `SELECT ${columns} FROM main.${name}`;
      this.#db.exec(`CREATE TEMP TABLE IF NOT EXISTS kept_${name} AS ${rows} LIMIT 0`);
      run(`DELETE FROM temp.kept_${name}`);
      run(`INSERT INTO temp.kept_${name} ${rows}`);
    }
    return () => {
      for (const { name } of tables.toReversed()) run(`DELETE FROM main.${name}`);
      for (const { name, columns } of tables)
        run(`INSERT INTO main.${name} (${columns}) SELECT ${columns} FROM temp.kept_${name}`);
      this.#known.clear();
      for (const [id, one] of known) this.#known.set(id, one);
      [this.#operations, this.#sweep, this.#group] = this.#fresh();
      this.now('fence', () => this.sweep(true));
    };
  }

  /** Ask for something; it happens when it is let. */
  ask<T>(owner: string, verb: string, work: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const settle = resolve as (value: unknown) => void;
      this.calls.push({ owner, verb, work, resolve: settle, reject, written: null });
    });
  }

  /** Let calls happen, all in one commit. */
  commit(calls: readonly Call[]): void {
    for (const call of calls) {
      const { verb, work } = call;
      const askedAt = Number.MAX_SAFE_INTEGER;
      const settle = (outcome: Written) => {
        call.written = outcome;
      };
      this.#group.add({ verb, askedAt, effects: [], isOneStatement: false, work, settle });
    }
    while (!this.#group.isIdle) this.#group.commit();
  }

  /** The same at once, for callers who wait for nobody. */
  now<T>(verb: string, work: () => T): T | null {
    const call: Call = { owner: '', verb, work, resolve() {}, reject() {}, written: null };
    this.commit([call]);
    const { written } = call;
    if (!written) throw new Error('a write was not settled');
    if (written.ok) return written.value as T;
    if (written.error instanceof JobError) return null;
    throw written.error;
  }

  #move(id: string, to: Status, more: Partial<Known> = {}): void {
    const known = this.#known.get(id);
    if (!known) return void this.wrong.push(`I13: ${id} comes from nowhere`);
    const isSame = known.status === to && !isFinal(to);
    if (!isSame && !mayMove(known.status, to))
      this.wrong.push(`I2: ${id} moved from ${known.status} to ${to}`);
    const gone = to === 'running' ? {} : { lease: null, worker: null };
    Object.assign(known, gone, { status: to, dueAt: 0 }, more);
  }

  insert(job: NewJob, key: IdempotencyKey | null): Replay | null {
    const replay = key ? this.#operations.insertOnce(job, 0, key) : null;
    if (!key) this.#operations.insert(job, 0);
    const fresh = { status: 'queued', lease: null, worker: null, until: 0, dueAt: 0 } as const;
    if (!replay) this.#known.set(job.id, { team: job.team, ...fresh });
    return replay;
  }

  claim(request: ClaimRequest): Claimed {
    const claimed = this.#operations.claim(request);
    const { mono } = this.#time;
    for (const { id, lease, runs, alone } of claimed.jobs) {
      const known = this.#known.get(id);
      if (known && known.dueAt > mono) this.wrong.push(`I3: ${id} was claimed while it rests`);
      if (alone && (claimed.jobs.length > 1 || !request.idle))
        this.wrong.push(`I10: ${id} has to run alone and does not`);
      if (runs > 50) this.wrong.push(`I3: ${id} runs for the ${runs}th time`);
      const until = mono + request.leaseMs;
      this.#move(id, 'running', { lease, worker: request.worker, until });
    }
    const perTeam = request.limits?.perTeam ?? 0;
    const running = [...this.#known.values()].filter(({ status }) => status === 'running');
    for (const [team, jobs] of Map.groupBy(running, (known) => known.team)) {
      if (perTeam > 0 && claimed.jobs.length > 0 && jobs.length > perTeam)
        this.wrong.push(`I11: ${team} runs ${jobs.length} jobs at once`);
    }
    if (claimed.jobs.length > request.limit) this.wrong.push(`I4: more was claimed than asked for`);
    for (const { id, status } of this.#operations.changed) {
      const isQueued = this.#known.get(id)?.status === 'queued';
      if (status === 'failed' && isQueued) this.#move(id, 'failed');
    }
    return claimed;
  }

  apply(id: string, change: Change, who: Who | null): Applied {
    const known = this.#known.get(id);
    const may =
      known !== undefined &&
      change.from.includes(known.status) &&
      (change.lease === null || change.lease === known.lease) &&
      (who === null || who.team === known.team);
    const applied = this.#operations.apply(id, change, who);
    if (applied.outcome === 'applied' && !may)
      this.wrong.push(`${who ? 'I9' : 'I4'}: ${id} became ${change.to}, though it may not`);
    if (applied.outcome === 'stale' && may)
      this.wrong.push(`I4: ${id} did not become ${change.to}, though it may`);
    if (applied.outcome === 'applied')
      this.#move(id, change.to, { dueAt: change.delayMs ? this.#time.mono + change.delayMs : 0 });
    return applied;
  }

  answer(id: string, who: Who, answers: Readonly<Record<string, Json>>): Applied {
    const known = this.#known.get(id);
    const may = known?.status === 'waiting' && known.team === who.team;
    const applied = this.#operations.answer(id, who, answers);
    if ((applied.outcome === 'applied') !== may) this.wrong.push(`I9: ${id} was answered wrongly`);
    if (applied.outcome === 'applied') this.#move(id, applied.status);
    return applied;
  }

  renew(held: readonly Held[], leaseMs: number): readonly string[] {
    const isHeld = ({ id, lease }: Held) => this.#known.get(id)?.lease === lease;
    const lost = this.#operations.renew(held, leaseMs);
    for (const one of held) {
      if (isHeld(one) === lost.includes(one.id))
        this.wrong.push(`I4: renewing ${one.id} was ${isHeld(one) ? 'refused' : 'accepted'}`);
      const known = this.#known.get(one.id);
      if (known && isHeld(one)) known.until = this.#time.mono + leaseMs;
    }
    return lost;
  }

  progress(held: Held, done: number): boolean {
    const known = this.#known.get(held.id);
    const isKept = this.#operations.progress(held, { done, total: null, message: null });
    if (isKept !== (known?.lease === held.lease))
      this.wrong.push(`I4: progress of ${held.id} was ${isKept ? 'kept' : 'refused'}`);
    return isKept;
  }

  /** @param isRestored whether it is the first after a restore, which takes every job back */
  sweep(isRestored = false): number {
    const options = { retentionMs: RETENTION_MS, toolMissingMs: 1e12, isRestored };
    const swept = this.#sweep.pass(options);
    for (const id of swept.moved) {
      const known = this.#known.get(id);
      const isDead = known?.worker !== null && this.#dead.has(known?.worker ?? '');
      const isLive = known?.status === 'running' && known.until > this.#time.mono && !isDead;
      if (isLive && !isRestored) this.wrong.push(`I4: the live lease of ${id} was taken`);
      this.#move(id, this.row(id)?.status ?? 'failed');
    }
    if (swept.purged > 0) this.wrong.push(`I1: ${swept.purged} jobs were purged early`);
    return swept.moved.length;
  }

  /** A worker says that it lives; as a supervised one does where its supervisor would settle. */
  beat(id: string, tools: readonly string[], isSupervised: boolean): void {
    const process = this.#dead.has(id) ? DEAD : ALIVE;
    const supervisor = isSupervised ? ALIVE : process;
    this.#operations.beat({ id, process, supervisor, tools });
  }

  /** Its process is gone; others can tell. */
  bury(id: string): void {
    this.#dead.add(id);
    this.#db
      .prepare('UPDATE workers SET process = ?, supervisor = ?, beat_boot = ? WHERE id = ?')
      .run(DEAD, DEAD, bootId(), id);
  }

  row(id: string): Job | null {
    const row = this.#db.prepare(`${JOBS} WHERE id = ?`).get(id) as Row | undefined;
    return row ? jobOf(row) : null;
  }

  open(): readonly string[] {
    return [...this.#known].filter(([, { status }]) => !isFinal(status)).map(([id]) => id);
  }

  statusOf(id: string): Status | undefined {
    return this.#known.get(id)?.status;
  }

  isHeld(id: string, lease: string): boolean {
    return this.#known.get(id)?.lease === lease;
  }

  remains(): Remains {
    const all = <T>(text: string) => this.#db.prepare(text).all() as T[];
    return {
      ...EMPTY,
      jobs: all<JobRow>(JOBS),
      effects: all<{ job: string; run: string }>('SELECT job, run FROM done'),
      keys: all<(typeof EMPTY)['keys'][number]>(
        'SELECT team_id, owner_id, tool, key, job_id FROM idempotency_keys',
      ),
    };
  }
}
