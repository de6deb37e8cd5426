/**
 * The port on one SQLite file.
 *
 * Writes go to the writer thread and are answered after their commit. Reads by id or by page run
 * here, on a connection that can only read: they take microseconds and see every commit that was
 * answered before.
 */
import { watch, type FSWatcher } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { setTimeout as pause } from 'node:timers/promises';
import { bootId, monotonic, patientNow } from '../../job/clock.ts';
import type { Effect, Params, Statement } from '../../job/effects.ts';
import { JobError } from '../../job/errors.ts';
import type { IdempotencyKey, Job, NewJob, Progress } from '../../job/job.ts';
import type { Json } from '../../job/json.ts';
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
import { BUSY, openReader, Prepared, sqliteCode } from './connection.ts';
import { bindable } from './operations.ts';
import { ReadBatch } from './read-batch.ts';
import { Reader } from './reader.ts';
import { insertedJob, jobOf, readerParams, replayOf, type Row } from '../job-row.ts';
import * as sql from './statements.ts';
import { BEAT_LOST_MS } from './sweep.ts';
import { Writer } from './writer.ts';

const SHOWN: readonly ShownStatus[] = ['queued', 'running', 'completed', 'failed'];
const READ_RETRY_MS = 5_000;
/** Commits of other processes are looked for at most this often when the file changes, … */
const WATCH_MS = 2;
/** … again and again up to this distance until one is found, … */
const WATCH_LAST_MS = 256;
/** … and this often in any case, where watching does not work or misses one. */
const SAFETY_POLL_MS = 1_000;

export interface SqliteStoreOptions {
  readonly path: string;
  /** Rest of the writer after each of its commits, for a process that has no server. */
  readonly pauseMs: number;
  readonly inlineBytesMax: number;
  readonly onFatal: (reason: string) => void;
}

export class SqliteStore implements Store {
  readonly engine = 'sqlite';
  readonly #path: string;
  readonly #writer: Writer;
  readonly #db: DatabaseSync;
  readonly #light: ReadBatch;
  readonly #heavy: Reader;
  readonly #dueListeners = new Set<() => void>();
  readonly #changeListeners = new Set<(notice: ChangeNotice | null) => void>();
  #watcher: FSWatcher | null = null;
  #safetyPoll: NodeJS.Timeout | null = null;
  #nextLook: { readonly timer: NodeJS.Timeout; readonly inMs: number } | null = null;

  private constructor(path: string, writer: Writer) {
    this.#path = path;
    this.#writer = writer;
    this.#db = openReader(path);
    this.#light = new ReadBatch(this.#db, new Prepared(this.#db));
    this.#heavy = new Reader(path);
  }

  static async start({ path, onFatal, ...rest }: SqliteStoreOptions): Promise<SqliteStore> {
    const changes: { notify: (changed: readonly ChangeNotice[]) => void } = { notify: () => {} };
    const writer = await Writer.start(
      { path, ...rest },
      { onChanged: (changed) => changes.notify(changed), onFatal },
    );
    const store = new SqliteStore(path, writer);
    changes.notify = (changed) => store.#notify(changed);
    return store;
  }

  async insert(job: NewJob, outstandingMax: number): Promise<Job> {
    // The row is known beforehand, so it need not come back from the thread.
    return insertedJob(job, await this.#writer.call<boolean>('insert', job, outstandingMax));
  }

  insertOnce(job: NewJob, outstandingMax: number, key: IdempotencyKey): Promise<Replay | null> {
    return this.#writer.call('insertOnce', job, outstandingMax, key);
  }

  answer(id: string, who: Who, answers: Readonly<Record<string, Json>>): Promise<Applied> {
    return this.#writer.call('answer', id, who, answers);
  }

  claim(request: ClaimRequest): Promise<Claimed> {
    return this.#writer.call('claim', request);
  }

  apply(id: string, change: Change): Promise<Applied> {
    return this.#writer.call('apply', id, change, null);
  }

  applyAs(id: string, who: Who, change: Change): Promise<Applied> {
    return this.#writer.call('apply', id, change, who);
  }

  renew(held: readonly Held[], leaseMs: number): Promise<readonly string[]> {
    return this.#writer.call('renew', held, leaseMs);
  }

  progress(held: Held, progress: Progress): Promise<boolean> {
    return this.#writer.call('progress', held, progress);
  }

  beat(worker: WorkerIdentity): Promise<void> {
    return this.#writer.call('beat', worker);
  }

  write(effects: readonly Effect[], options: { expect?: number } = {}): Promise<WriteResult> {
    return this.#writer.call('write', effects, options.expect ?? null);
  }

  now(): Promise<number> {
    return this.#writer.call('now');
  }

  sweep(options: SweepOptions): Promise<SweepResult> {
    return this.#writer.call('sweep', options);
  }

  async get(id: string, who: Who): Promise<Job | null> {
    const [row] = await this.#read(sql.GET, { id, ...readerParams(who) });
    return row ? jobOf(row) : null;
  }

  async list({ who, status, tool, before, limit }: ListQuery): Promise<Job[]> {
    const text = can(who, VIEW_ANY) ? sql.LIST_TEAM : sql.LIST_OWNER;
    const params = { ...readerParams(who), tool, limit, before: before?.id ?? '~' };
    // What is filtered by tool or project may pass over many rows before the page is full.
    const isHeavy = tool !== null || params.scopes !== null;
    const pages: Job[][] = [];
    for (const shown of status ? [status] : SHOWN) {
      const rows = await this.#read(text, { ...params, shown }, isHeavy);
      pages.push(rows.map(jobOf));
    }
    // A job may move on between two pages; statuses are read in the order of the moves, so that it
    // is seen at least once, and counts as what it was seen as last.
    const jobs = new Map(pages.flat().map((job) => [job.id, job]));
    return [...jobs.values()].sort((a, b) => (a.id < b.id ? 1 : -1)).slice(0, limit);
  }

  async replay(who: Who, tool: string, key: string): Promise<Replay | null> {
    const { team, owner } = who;
    const [row] = await this.#read(sql.KEY, { team, owner, tool, key, now: patientNow() });
    return row ? replayOf(row) : null;
  }

  async payload(id: string, who: Who, kind: PayloadKind): Promise<string | null> {
    const [row] = await this.#read(sql.PAYLOAD, { id, kind, ...readerParams(who) });
    return (row?.['body'] as string | null | undefined) ?? null;
  }

  async position(id: string): Promise<number | null> {
    const position = (await this.#read(sql.POSITION, { id }))[0]?.['position'] as
      number | undefined;
    return position === undefined || position > 100 ? null : position;
  }

  async heldBy(worker: string): Promise<Job[]> {
    return (await this.#read(sql.HELD_BY, { worker })).map(jobOf);
  }

  async read<P extends Params, R>(statement: Statement<P, R>, params: P): Promise<R[]> {
    const text = statement.sql.sqlite;
    if (text === undefined) {
      throw new TypeError(
        `Statement "${statement.statement}" has no SQLite text. Give it \`sqlite\`.`,
      );
    }
    const rows = await this.#read(text, bindable(params), statement.heavy);
    // node:sqlite makes rows without a prototype, which surprises whoever compares them.
    return rows.map((row) => Object.assign({}, row)) as R[];
  }

  /**
   * A read that meets BUSY (another process recovers or closes the file) is retried.
   *
   * @param isHeavy whether it may touch many rows, and so is kept off this thread
   */
  async #read(
    text: string,
    params: ReturnType<typeof bindable>,
    isHeavy = false,
  ): Promise<readonly Row[]> {
    for (const giveUpAt = monotonic() + READ_RETRY_MS; ;) {
      try {
        return await (isHeavy ? this.#heavy : this.#light).read(text, params);
      } catch (error) {
        if (sqliteCode(error) !== BUSY) throw error;
        if (monotonic() > giveUpAt) throw new JobError('STORE_BUSY', { cause: error });
        await pause(2);
      }
    }
  }

  onDue(listener: () => void): () => void {
    this.#dueListeners.add(listener);
    this.#watch();
    return () => {
      this.#dueListeners.delete(listener);
      this.#unwatch();
    };
  }

  onChange(listener: (notice: ChangeNotice | null) => void): () => void {
    this.#changeListeners.add(listener);
    this.#watch();
    return () => {
      this.#changeListeners.delete(listener);
      this.#unwatch();
    };
  }

  #notify(changed: readonly ChangeNotice[]): void {
    if (changed.some(({ status }) => status === 'queued')) this.#callDue();
    for (const notice of changed) {
      for (const listener of this.#changeListeners) listener(notice);
    }
  }

  #callDue(): void {
    for (const listener of this.#dueListeners) listener();
  }

  /** Other processes write to the same file: a change of the WAL wakes, a slow poll makes sure. */
  #watch(): void {
    if (this.#safetyPoll) return;
    this.#safetyPoll = setInterval(() => void this.#look(), SAFETY_POLL_MS);
    this.#safetyPoll.unref();
    try {
      this.#watcher = watch(`${this.#path}-wal`, { persistent: false }, () =>
        this.#lookIn(WATCH_MS),
      );
      this.#watcher.on('error', () => {});
    } catch {
      // The poll has to do.
    }
  }

  #unwatch(): void {
    if (this.#dueListeners.size + this.#changeListeners.size > 0 || !this.#safetyPoll) return;
    clearInterval(this.#safetyPoll);
    this.#safetyPoll = null;
    this.#watcher?.close();
    this.#watcher = null;
    clearTimeout(this.#nextLook?.timer);
    this.#nextLook = null;
  }

  /**
   * The file changes before the commit in it can be seen, by as long as the disk takes. So a look
   * that finds nothing is repeated, at growing distances.
   */
  #lookIn(ms: number): void {
    if (this.#nextLook && this.#nextLook.inMs <= ms) return;
    clearTimeout(this.#nextLook?.timer);
    const timer = setTimeout(() => void this.#lookNow(ms), ms);
    this.#nextLook = { timer: timer.unref(), inMs: ms };
  }

  async #lookNow(waitedMs: number): Promise<void> {
    this.#nextLook = null;
    if (!(await this.#look()) && waitedMs < WATCH_LAST_MS) this.#lookIn(waitedMs * 2);
  }

  /** @returns whether another process has committed since the last look */
  async #look(): Promise<boolean> {
    try {
      if (!(await this.#writer.call<boolean>('isChangedElsewhere'))) return false;
      this.#callDue();
      for (const listener of this.#changeListeners) listener(null);
    } catch {
      // The store is being closed, or busy: the next look comes.
    }
    return true;
  }

  async health(): Promise<{ writable: boolean; workers: number }> {
    const params = { boot: bootId(), since: monotonic() - BEAT_LOST_MS };
    const [row] = await this.#read(sql.LIVE_WORKERS, params);
    const writable = await this.#writer.call('probe').then(
      () => true,
      () => false,
    );
    return { writable, workers: (row?.['live'] as number | undefined) ?? 0 };
  }

  async close(): Promise<void> {
    this.#dueListeners.clear();
    this.#changeListeners.clear();
    this.#unwatch();
    await this.#heavy.close();
    if (this.#db.isOpen) this.#db.close();
    // Last, because the last connection that may write brings the WAL into the file.
    await this.#writer.close();
  }
}
