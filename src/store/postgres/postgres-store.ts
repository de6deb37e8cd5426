/**
 * The port on a PostgreSQL database that any number of processes share.
 *
 * Writes are answered after their commit. Reads go to the same server and see every commit that was
 * answered before; a standby is never asked.
 */
import type { Effect, Params, Statement } from '../../job/effects.ts';
import { JobError } from '../../job/errors.ts';
import type { IdempotencyKey, Job, NewJob, Progress } from '../../job/job.ts';
import type { Json } from '../../job/json.ts';
import type { Logger } from '../../job/log.ts';
import type { Change } from '../../job/transitions.ts';
import { can, VIEW_ANY, type Who } from '../../job/who.ts';
import type {
  Applied,
  ChangeNotice,
  Claimed,
  ClaimRequest,
  Held,
  ListQuery,
  PayloadKind,
  Replay,
  ShownStatus,
  Store,
  SweepOptions,
  SweepResult,
  WorkerIdentity,
  WriteResult,
} from '../store.ts';
import { jobOf, readerParams, replayOf } from '../job-row.ts';
import { Claims } from './claims.ts';
import type { Database } from './database.ts';
import { Deliveries } from './deliveries.ts';
import { Group } from './group.ts';
import { Limits } from './limits.ts';
import { Notices } from './notices.ts';
import { rowsParam } from './rows.ts';
import { Settles, type Settle } from './settles.ts';
import * as sql from './statements.ts';
import { Submissions, type Submission, type Submitted } from './submissions.ts';
import { BEAT_LOST_MS, Sweep } from './sweep.ts';

const SHOWN: readonly ShownStatus[] = ['queued', 'running', 'completed', 'failed'];
const MEMBERS_MAX = 512;
/** Two groups at once: one is being filled with rows while the other waits for the disk. */
const LANES = 2;
/** Whoever asks for the health wants to know it now. */
const HEALTH_MS = 1_000;

export interface PostgresStoreOptions {
  readonly database: Database;
  readonly url: string;
  readonly isPooled: boolean;
  readonly inlineBytesMax: number;
  readonly log: Logger;
}

export class PostgresStore implements Store {
  readonly engine = 'postgres';
  readonly #database: Database;
  readonly #deliveries: Deliveries;
  readonly #notices: Notices;
  readonly #settles: Settles;
  readonly #claims: Claims;
  readonly #sweep: Sweep;
  readonly #submitting: Group<Submission, Submitted>;
  readonly #settling: Group<Settle, Applied>;
  /** Transactions that are not part of a group, so that closing can wait for them. */
  readonly #running = new Set<Promise<unknown>>();
  #isClosing = false;

  private constructor({ database, url, isPooled, inlineBytesMax, log }: PostgresStoreOptions) {
    const deliveries = new Deliveries(database, log);
    const limits = new Limits({ database, deliveries });
    const tell = (notices: readonly ChangeNotice[]) => this.#notices.tell(notices);
    const parts = { database, deliveries, limits, tell, inlineBytesMax };
    const submissions = new Submissions(parts);
    this.#database = database;
    this.#deliveries = deliveries;
    this.#notices = new Notices({ database, url, isPooled, log });
    this.#settles = new Settles(parts);
    this.#claims = new Claims({ ...parts, end: (id, change) => this.apply(id, change) });
    this.#sweep = new Sweep({
      ...parts,
      apply: (id, change) => this.apply(id, change),
      onDelivered: () => this.#notices.tellDue(),
    });
    this.#submitting = new Group({
      membersMax: MEMBERS_MAX,
      lanes: LANES,
      nameOf: (member) => submissions.nameOf(member),
      write: (members) => submissions.write(members),
    });
    this.#settling = new Group({
      membersMax: MEMBERS_MAX,
      lanes: LANES,
      nameOf: ({ id }) => id,
      write: (members) => this.#settles.write(members),
    });
  }

  static async start(options: PostgresStoreOptions): Promise<PostgresStore> {
    const store = new PostgresStore(options);
    await store.#deliveries.start();
    return store;
  }

  async insert(job: NewJob, outstandingMax: number): Promise<Job> {
    const submitted = await this.#submit({ job, outstandingMax, key: null });
    if ('replay' in submitted) throw new Error('a job without a key cannot be a replay');
    return submitted.job;
  }

  async insertOnce(
    job: NewJob,
    outstandingMax: number,
    key: IdempotencyKey,
  ): Promise<Replay | null> {
    const submitted = await this.#submit({ job, outstandingMax, key });
    return 'replay' in submitted ? submitted.replay : null;
  }

  async #submit(submission: Submission): Promise<Submitted> {
    this.#assertOpen();
    const submitted = await this.#submitting.add(submission);
    if ('job' in submitted) this.#notices.tell([{ id: submission.job.id, status: 'queued' }]);
    return submitted;
  }

  async claim(request: ClaimRequest): Promise<Claimed> {
    const claimed = await this.#while(() => this.#claims.claim(request));
    this.#notices.tell(claimed.jobs.map(({ id, status }) => ({ id, status })));
    return claimed;
  }

  apply(id: string, change: Change): Promise<Applied> {
    return this.#settle({ id, change, who: null });
  }

  applyAs(id: string, who: Who, change: Change): Promise<Applied> {
    return this.#settle({ id, change, who });
  }

  async #settle(settle: Settle): Promise<Applied> {
    this.#assertOpen();
    const hasEffects = (settle.change.effects ?? []).length > 0;
    const applied = hasEffects
      ? await this.#while(() => this.#settles.writeWithEffects(settle))
      : await this.#settling.add(settle);
    this.#tell(settle.id, applied);
    return applied;
  }

  async answer(id: string, who: Who, answers: Readonly<Record<string, Json>>): Promise<Applied> {
    const applied = await this.#while(() => this.#settles.answer(id, who, answers));
    this.#tell(id, applied);
    return applied;
  }

  write(effects: readonly Effect[], options: { expect?: number } = {}): Promise<WriteResult> {
    return this.#while(() => this.#settles.writeEffects(effects, options.expect ?? null));
  }

  async renew(held: readonly Held[], leaseMs: number): Promise<readonly string[]> {
    const rows = await this.#database.query(sql.RENEW, { rows: rowsParam(held), leaseMs });
    const kept = new Set(rows.map((row) => `${String(row['id'])} ${String(row['lease'])}`));
    return held.filter(({ id, lease }) => !kept.has(`${id} ${lease}`)).map(({ id }) => id);
  }

  async progress({ id, lease }: Held, progress: Progress): Promise<boolean> {
    const row = { id, lease, progress: JSON.stringify(progress) };
    const isKept = (await this.#database.query(sql.PROGRESS, row)).length === 1;
    if (isKept) this.#notices.tell([{ id, status: 'running' }]);
    return isKept;
  }

  async beat({ id, process, supervisor, tools }: WorkerIdentity): Promise<void> {
    const row = { id, process, supervisor, tools: JSON.stringify(tools) };
    await this.#database.query(sql.BEAT, row);
  }

  async now(): Promise<number> {
    const [row] = await this.#database.query(sql.TIME);
    return row?.['time'] as number;
  }

  sweep(options: SweepOptions): Promise<SweepResult> {
    return this.#while(() => this.#sweep.pass(options));
  }

  async get(id: string, who: Who): Promise<Job | null> {
    const [row] = await this.#database.query(sql.GET, { id, ...readerParams(who) });
    return row ? jobOf(row) : null;
  }

  async payload(id: string, who: Who, kind: PayloadKind): Promise<string | null> {
    const params = { id, kind, ...readerParams(who) };
    const [row] = await this.#database.query(sql.PAYLOAD, params);
    return (row?.['body'] as string | null | undefined) ?? null;
  }

  async position(id: string): Promise<number | null> {
    const [row] = await this.#database.query(sql.POSITION, { id });
    const position = row?.['position'] as number | undefined;
    return position === undefined || position > 100 ? null : position;
  }

  async list({ who, status, tool, before, limit }: ListQuery): Promise<Job[]> {
    const isTeam = can(who, VIEW_ANY);
    const { owner, ...team } = readerParams(who);
    const params = { ...team, owner, tool, limit, before: before?.id ?? '~' };
    const pages: Job[][] = [];
    for (const shown of status ? [status] : SHOWN) {
      const text = isTeam ? sql.LIST_TEAM : sql.LIST_OWNER;
      pages.push((await this.#database.query(text, { ...params, shown })).map(jobOf));
    }
    // A job may move on between two pages; statuses are read in the order of the moves, so that it
    // is seen at least once, and counts as what it was seen as last.
    const jobs = new Map(pages.flat().map((job) => [job.id, job]));
    return [...jobs.values()].sort((a, b) => (a.id < b.id ? 1 : -1)).slice(0, limit);
  }

  async replay(who: Who, tool: string, key: string): Promise<Replay | null> {
    const { team, owner } = who;
    const [row] = await this.#database.query(sql.KEY, { team, owner, tool, key });
    return row ? replayOf(row) : null;
  }

  async heldBy(worker: string): Promise<Job[]> {
    return (await this.#database.query(sql.HELD_BY, { worker })).map(jobOf);
  }

  async read<P extends Params, R>(statement: Statement<P, R>, params: P): Promise<R[]> {
    const text = statement.sql.postgres;
    if (text === undefined) {
      throw new TypeError(
        `Statement "${statement.statement}" has no PostgreSQL text. Give it \`postgres\`.`,
      );
    }
    // A SELECT cannot write, so it needs no transaction that forbids it.
    if (/^\s*select\b/i.test(text)) return (await this.#database.query(text, params)) as R[];
    const rows = await this.#database.readOnly(async (tx) => (await tx.run(text, params)).rows);
    return rows as R[];
  }

  onDue(listener: () => void): () => void {
    return this.#notices.onDue(listener);
  }

  onChange(listener: (notice: ChangeNotice | null) => void): () => void {
    return this.#notices.onChange(listener);
  }

  async health(): Promise<{ writable: boolean; workers: number }> {
    try {
      const lost = { lostMs: BEAT_LOST_MS };
      const [row] = await this.#database.query(sql.LIVE_WORKERS, lost, HEALTH_MS);
      await this.#database.query(sql.PROBE, {}, HEALTH_MS);
      return { writable: true, workers: row?.['live'] as number };
    } catch (error) {
      if (error instanceof JobError) return { writable: false, workers: 0 };
      throw error;
    }
  }

  #tell(id: string, applied: Applied): void {
    if (applied.outcome === 'applied') this.#notices.tell([{ id, status: applied.status }]);
  }

  #assertOpen(): void {
    if (this.#isClosing) throw new Error('the store is closed');
  }

  async #while<T>(work: () => Promise<T>): Promise<T> {
    this.#assertOpen();
    const running = work();
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  async close(): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    await this.#notices.close();
    await this.#submitting.drain();
    await this.#settling.drain();
    await Promise.allSettled(this.#running);
    await this.#deliveries.stop();
    await this.#database.close();
  }
}
