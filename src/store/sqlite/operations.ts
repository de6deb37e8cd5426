/**
 * What the writer can be asked to do, each inside a transaction that somebody else begins and
 * commits. One function per verb of the port.
 */
import type { DatabaseSync } from 'node:sqlite';
import { bootId, monotonic, now, patientNow } from '../../job/clock.ts';
import type { Effect, Param } from '../../job/effects.ts';
import { JobError } from '../../job/errors.ts';
import { newLease } from '../../job/ids.ts';
import {
  RUNS_MAX,
  type IdempotencyKey,
  type Job,
  type NewJob,
  type Progress,
} from '../../job/job.ts';
import { parsedOr, type Json } from '../../job/json.ts';
import { answer, expire, type Change } from '../../job/transitions.ts';
import type { Who } from '../../job/who.ts';
import type {
  Applied,
  ChangeNotice,
  Claimed,
  ClaimRequest,
  Held,
  Replay,
  RunningLimits,
  WorkerIdentity,
  WriteResult,
} from '../store.ts';
import { Prepared, sqliteCode } from './connection.ts';
import { jobOf, replayOf, whoParams, type Row } from '../job-row.ts';
import { HELD_UNTIL } from './limit-statements.ts';
import { letGo, Releases, Slots, type Candidate } from './limits.ts';
import { changeParams, insertParams } from './rows.ts';
import * as sql from './statements.ts';

/** Undoes the member of the group that threw it, and is then given back as its value. */
export class Undo<T> extends Error {
  readonly value: T;
  constructor(value: T) {
    super('undone');
    this.value = value;
  }
}

interface DueRow extends Candidate {
  readonly id: string;
  readonly alone: number;
  readonly runs: number;
  readonly request_id: string;
}

export class Operations {
  readonly #prepared: Prepared;
  readonly #releases: Releases;
  /** Open jobs per team as counted in the running commit. */
  readonly #open = new Map<string, number>();
  /** Jobs that the running commit changed. */
  readonly #changed: ChangeNotice[] = [];
  /** Queued jobs that the running commit made room for. */
  readonly #woken: string[] = [];
  #servedLast = '';

  readonly #inlineBytesMax: number;

  /** @param inlineBytesMax inputs and results of more bytes are kept apart from their row */
  constructor(db: DatabaseSync, inlineBytesMax: number) {
    this.#prepared = new Prepared(db);
    this.#releases = new Releases(this.#prepared);
    this.#inlineBytesMax = inlineBytesMax;
  }

  /** Begin a commit: forget what was counted and changed in the one before. */
  reset(): void {
    this.#open.clear();
    this.#changed.length = 0;
    this.#woken.length = 0;
  }

  get changed(): readonly ChangeNotice[] {
    return this.#changed;
  }

  /** Whatever others may want to look at after the commit. */
  get notices(): readonly ChangeNotice[] {
    if (this.#woken.length === 0) return this.#changed;
    return [...this.#changed, ...this.#woken.map((id) => ({ id, status: 'queued' as const }))];
  }

  #wake(ids: readonly string[]): void {
    this.#woken.push(...ids);
  }

  /** Let go what is held and nothing else will. */
  letGoStranded(): void {
    this.#wake(this.#releases.stranded());
  }

  /** @returns whether its input was kept apart; all else follows from what was given */
  insert(job: NewJob, outstandingMax: number): boolean {
    if (outstandingMax > 0) {
      const open = this.#open.get(job.team) ?? this.#countOpen(job.team, outstandingMax);
      if (open >= outstandingMax) throw tooMany(outstandingMax);
      this.#open.set(job.team, open + 1);
    }
    const isApart = this.isApart(job.input);
    this.#run(sql.INSERT, insertParams(job, isApart));
    if (isApart) this.#run(sql.INSERT_PAYLOAD, { id: job.id, kind: 'input', body: job.input });
    this.#changed.push({ id: job.id, status: 'queued' });
    return isApart;
  }

  /** Whether an input or a result is too large to stand in its row. */
  isApart(text: string): boolean {
    return Buffer.byteLength(text) > this.#inlineBytesMax;
  }

  insertOnce(job: NewJob, outstandingMax: number, key: IdempotencyKey): Replay | null {
    const at = patientNow();
    const { team, owner, tool } = job;
    const taken = this.#get(sql.TAKE_KEY, {
      team,
      owner,
      tool,
      key: key.key,
      jobId: job.id,
      hash: key.hash,
      answer: key.answer,
      // Where the wall clock is ahead and right, it is believed before a day is over.
      expiresAt: now() + key.ttlMs,
      now: at,
    });
    if (!taken) return replayOf(this.#one(sql.KEY, { team, owner, tool, key: key.key, now: at }));
    this.insert(job, outstandingMax);
    return null;
  }

  claim(request: ClaimRequest): Claimed {
    this.#run(sql.WAKE_RESTING, { mono: monotonic(), boot: bootId() });
    if (request.limits) return this.#claimWithin(request, request.limits);
    this.#wake(this.#releases.free(request.tools));
    return { jobs: this.#begin(this.#choose(request), request), nextDueMs: this.#nextDueMs() };
  }

  /** What has no room is held back until the claim is full or nothing is left. */
  #claimWithin(request: ClaimRequest, limits: RunningLimits): Claimed {
    const slots = new Slots(this.#prepared, limits);
    this.#wake(this.#releases.free(request.tools.filter((tool) => !slots.isLimited(tool))));
    const jobs: Job[] = [];
    for (let isShort = true; isShort && !slots.isSpent;) {
      const chosen = this.#choose({
        ...request,
        tools: request.tools.filter((tool) => slots.hasRoom(tool)),
        limit: request.limit - jobs.length,
        idle: request.idle && jobs.length === 0,
      });
      const fitting = chosen.filter((due) => slots.take(due));
      jobs.push(...this.#begin(fitting, request, slots));
      isShort = fitting.length < chosen.length;
    }
    this.#wake(slots.release());
    return { jobs, nextDueMs: slots.isSpent ? 0 : this.#nextDueMs() };
  }

  #nextDueMs(): number | null {
    const due = this.#get(sql.NEXT_DUE, { boot: bootId() })?.['due'] as number | null;
    return due === null || due === HELD_UNTIL ? null : Math.max(0, due - monotonic());
  }

  #begin(chosen: readonly DueRow[], request: ClaimRequest, slots?: Slots): Job[] {
    const jobs: Job[] = [];
    for (const due of chosen) {
      if (due.runs >= RUNS_MAX) {
        this.apply(due.id, expire('queued', 'RUNS_EXHAUSTED', due.request_id), null);
        continue;
      }
      const row = this.#get(sql.CLAIM, {
        id: due.id,
        lease: newLease(),
        boot: bootId(),
        until: monotonic() + request.leaseMs,
        worker: request.worker,
        limited: slots?.isLimited(due.tool) ? 1 : 0,
        now: now(),
      });
      if (!row) continue;
      jobs.push(this.#withInput(jobOf(row)));
      this.#changed.push({ id: due.id, status: 'running' });
    }
    return jobs;
  }

  #withInput(job: Job): Job {
    if (job.input !== null) return job;
    return { ...job, input: this.#one(sql.INPUT_APART, { id: job.id })['body'] as string };
  }

  /**
   * Tools take turns, beginning behind the one that was served last; within a tool its teams do.
   * Stops before a job that has to wait to be alone.
   */
  #choose({ tools, limit, idle }: ClaimRequest): DueRow[] {
    const next = tools.indexOf(this.#servedLast) + 1;
    const queues = [...tools.slice(next), ...tools.slice(0, next)].map((tool) =>
      this.#all<DueRow>(sql.DUE, { tool, limit }),
    );
    const depth = Math.max(0, ...queues.map((queue) => queue.length));
    const due = Array.from({ length: depth }, (_, place) => queues.flatMap((q) => q[place] ?? []))
      .flat()
      .slice(0, limit);
    const alone = due.findIndex((row) => row.alone === 1);
    const chosen =
      alone === -1 ? due : alone > 0 ? due.slice(0, alone) : idle ? due.slice(0, 1) : [];
    this.#servedLast = chosen.at(-1)?.tool ?? this.#servedLast;
    return chosen;
  }

  apply(id: string, change: Change, who: Who | null): Applied {
    const inlineBytesMax = this.#inlineBytesMax;
    const params = changeParams(id, change, { who, inlineBytesMax });
    const row = this.#get(sql.APPLY, params);
    if (!row) return { outcome: 'stale' };
    if (change.result !== undefined && params.result === null) {
      this.#run(sql.INSERT_PAYLOAD, { id, kind: 'result', body: change.result });
    }
    for (const effect of change.effects ?? []) {
      const failed = this.#tryEffect(effect);
      if (failed) throw new Undo<Applied>(failed);
    }
    const limitedTeam = row['limited_team'] as string | null;
    if (limitedTeam !== null) {
      this.#wake(letGo(this.#prepared, limitedTeam, row['tool'] as string));
    }
    this.#changed.push({ id, status: change.to });
    return { outcome: 'applied', status: change.to };
  }

  answer(id: string, who: Who, given: Readonly<Record<string, Json>>): Applied {
    const row = this.#get(sql.WAITING, { id, ...whoParams(who) });
    if (!row) return { outcome: 'stale' };
    const questions = parsedOr<Record<string, Json>>(row['questions'], {});
    const answers = parsedOr<Record<string, Json>>(row['answers'], {});
    for (const [key, value] of Object.entries(given)) {
      if (Object.hasOwn(questions, key) && !Object.hasOwn(answers, key)) answers[key] = value;
    }
    if (Object.keys(questions).every((key) => Object.hasOwn(answers, key))) {
      return this.apply(id, answer(answers), who);
    }
    this.#run(sql.ANSWER_SOME, { id, answers: JSON.stringify(answers), now: now() });
    this.#changed.push({ id, status: 'waiting' });
    return { outcome: 'applied', status: 'waiting' };
  }

  #tryEffect(effect: Effect): Applied | null {
    try {
      const changed = this.#effect(effect);
      if (effect.expect === undefined || effect.expect === changed) return null;
      return { outcome: 'refused', statement: effect.name, changed };
    } catch (error) {
      if (!isStatementError(error)) throw error;
      return { outcome: 'failed', statement: effect.name, message: (error as Error).message };
    }
  }

  #effect(effect: Effect): number {
    const text = effect.sql.sqlite;
    if (text === undefined) throw new TypeError(`Statement "${effect.name}" has no SQLite text.`);
    let changed = 0;
    for (const row of effect.rows) changed += this.#run(text, bindable(row));
    return changed;
  }

  write(effects: readonly Effect[], expect: number | null): WriteResult {
    const changed: number[] = [];
    for (const effect of effects) {
      changed.push(this.#effect(effect));
      if (effect.expect !== undefined && effect.expect !== changed.at(-1)) {
        throw new Undo<WriteResult>({ ok: false, changed });
      }
    }
    const sum = changed.reduce((a, b) => a + b, 0);
    if (expect !== null && sum !== expect) throw new Undo<WriteResult>({ ok: false, changed });
    return { ok: true, changed };
  }

  renew(held: readonly Held[], leaseMs: number): readonly string[] {
    const until = monotonic() + leaseMs;
    const lost = held.filter(
      ({ id, lease }) => this.#run(sql.RENEW, { id, lease, boot: bootId(), until }) === 0,
    );
    return lost.map(({ id }) => id);
  }

  progress({ id, lease }: Held, progress: Progress): boolean {
    const row = { id, lease, progress: JSON.stringify(progress), now: now() };
    if (this.#run(sql.PROGRESS, row) === 0) return false;
    this.#changed.push({ id, status: 'running' });
    return true;
  }

  beat(worker: WorkerIdentity): void {
    const { id, process, supervisor } = worker;
    const tools = JSON.stringify(worker.tools);
    this.#run(sql.BEAT, { id, process, supervisor, tools, boot: bootId(), mono: monotonic() });
  }

  probe(): void {
    this.#run(sql.PROBE, { now: now() });
  }

  #countOpen(team: string, max: number): number {
    return this.#one(sql.COUNT_OPEN, { team, max })['open'] as number;
  }

  #run(text: string, params: Record<string, Bindable>): number {
    return Number(this.#prepared.get(text).run(params).changes);
  }

  #get(text: string, params: Record<string, Bindable>): Row | undefined {
    return this.#prepared.get(text).get(params);
  }

  #one(text: string, params: Record<string, Bindable>): Row {
    const row = this.#get(text, params);
    if (!row) throw new Error('a statement that always answers answered nothing');
    return row;
  }

  #all<T>(text: string, params: Record<string, Bindable>): T[] {
    return this.#prepared.get(text).all(params) as T[];
  }
}

type Bindable = string | number | bigint | null | Uint8Array;

/** SQLite knows no booleans. */
export function bindable(row: Readonly<Record<string, Param>>): Record<string, Bindable> {
  return Object.fromEntries(
    Object.entries(row).map(([key, value]) => [
      key,
      typeof value === 'boolean' ? Number(value) : value,
    ]),
  );
}

/** A constraint, a wrong parameter: the statement's fault, not the file's. */
function isStatementError(error: unknown): boolean {
  const code = sqliteCode(error);
  // 1 error, 18 too big, 19 constraint, 20 mismatch, 25 range. Without a code it is Node that
  // refused a value or a name of a parameter.
  return code === null || [1, 18, 19, 20, 25].includes(code);
}

function tooMany(max: number): JobError {
  return new JobError('RATE_LIMITED', {
    message: `The team has ${max} jobs that are not finished, which is the most it may have.`,
    remediation: 'Wait until some have finished, or cancel some, then call again.',
    context: { retry_after_seconds: 30, outstanding_max: max },
  });
}
