/**
 * Many writes, one fsync.
 *
 * Writes that wait at the same time share a transaction; each stands in a savepoint of its own, so
 * one that fails fails alone. Answers leave after the commit. A failed COMMIT is "unknown" for all
 * members: after an error there SQLite does not say what reached the disk.
 *
 * Another process may hold the write lock. SQLite's own waiting is unfair, so BUSY comes at once
 * and is retried every 0.2 ms; a write that could not begin within ten seconds is withdrawn.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { monotonic } from '../../job/clock.ts';
import type { Effect } from '../../job/effects.ts';
import { JobError } from '../../job/errors.ts';
import { BUSY, isFatal, isFull, sqliteCode } from './connection.ts';
import { Undo } from './operations.ts';
import type { Place } from './place.ts';

const MEMBERS_MAX = 512;
/** Longer lists of effects go one per commit, so that a submission waits for at most one of them. */
const LONG_LIST_ROWS = 100;
const RETRY_MS = 0.2;

export interface Member {
  readonly verb: string;
  /** On the monotonic clock. */
  readonly askedAt: number;
  readonly effects: readonly Effect[];
  /** Whether one statement writes all of it: SQLite undoes that by itself, without a savepoint. */
  readonly isOneStatement: boolean;
  readonly work: () => unknown;
  readonly settle: (outcome: Outcome) => void;
}

export type Outcome =
  { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: unknown };

export interface GroupCommitOptions {
  /** How long a write may wait for its beginning. */
  readonly beginMs: number;
  /** Rest after each own commit, for processes that share the file with a server. */
  readonly pauseMs: number;
  readonly onBegin: () => void;
  readonly onCommit: () => void;
  /** Whether the next start will find what is committed here. */
  readonly place: Place;
  /** The file can no longer be trusted: stop the process, answer nobody. */
  readonly onFatal: (error: unknown) => void;
}

export class GroupCommit {
  readonly #db: DatabaseSync;
  /** What every write needs, prepared once. */
  readonly #control: Readonly<Record<'begin' | 'commit' | 'savepoint' | 'release', StatementSync>>;
  readonly #options: GroupCommitOptions;
  #waiting: Member[] = [];

  constructor(db: DatabaseSync, options: GroupCommitOptions) {
    this.#db = db;
    this.#control = {
      begin: db.prepare('BEGIN IMMEDIATE'),
      commit: db.prepare('COMMIT'),
      savepoint: db.prepare('SAVEPOINT member'),
      release: db.prepare('RELEASE member'),
    };
    this.#options = options;
  }

  add(member: Member): void {
    this.#waiting.push(member);
  }

  get isIdle(): boolean {
    return this.#waiting.length === 0;
  }

  /** Commit one group of what waits. Blocks the thread, which does nothing else. */
  commit(): void {
    const members = this.#take();
    if (members.length === 0 || !this.#begin(members)) return;
    this.#options.onBegin();
    const outcomes: Outcome[] = [];
    try {
      this.#demandPlace();
      for (const member of members) outcomes.push(this.#attempt(member));
      this.#finish(members, outcomes);
    } catch (error) {
      this.#options.onFatal(error);
    }
  }

  /** Submissions first; at most one long list of effects. */
  #take(): Member[] {
    const ordered = this.#waiting.sort((a, b) => rank(a) - rank(b));
    const taken: Member[] = [];
    const left: Member[] = [];
    let long = false;
    for (const member of ordered) {
      const isLong = rows(member.effects) > LONG_LIST_ROWS;
      if (taken.length < MEMBERS_MAX && !(isLong && long)) {
        taken.push(member);
        long ||= isLong;
      } else left.push(member);
    }
    this.#waiting = left;
    return taken;
  }

  #begin(members: readonly Member[]): boolean {
    for (;;) {
      try {
        this.#control.begin.run();
        return true;
      } catch (error) {
        if (isFatal(error)) {
          this.#options.onFatal(error);
          return false;
        }
        const bound = monotonic() - this.#options.beginMs;
        const isLate = ({ askedAt }: Member) => sqliteCode(error) !== BUSY || askedAt < bound;
        if (members.some(isLate)) {
          this.#refuse(members.filter(isLate), error);
          this.#waiting.unshift(...members.filter((member) => !isLate(member)));
          return false;
        }
        rest(RETRY_MS);
      }
    }
  }

  #refuse(members: readonly Member[], error: unknown): void {
    const code = sqliteCode(error) === BUSY ? 'STORE_BUSY' : isFull(error) ? 'STORE_FULL' : null;
    const known = code ? new JobError(code, { cause: error }) : error;
    for (const member of members) member.settle({ ok: false, error: known });
  }

  #attempt(member: Member): Outcome {
    // A full disk ends the whole transaction; a savepoint would now begin and commit one of its own.
    if (!this.#db.isTransaction) return { ok: false, error: new JobError('STORE_FULL') };
    const { isOneStatement } = member;
    if (!isOneStatement) this.#control.savepoint.run();
    try {
      const value = member.work();
      if (!isOneStatement) this.#control.release.run();
      return { ok: true, value };
    } catch (error) {
      if (isFatal(error)) throw error;
      // A full disk may have ended the whole transaction; then there is no savepoint to undo.
      if (this.#db.isTransaction && !isOneStatement) {
        this.#db.exec('ROLLBACK TO member');
        this.#control.release.run();
      }
      if (error instanceof Undo) return { ok: true, value: error.value };
      return { ok: false, error: toKnown(error) };
    }
  }

  #finish(members: readonly Member[], outcomes: Outcome[]): void {
    try {
      if (!this.#db.isTransaction) throw new JobError('STORE_FULL');
      this.#control.commit.run();
    } catch (error) {
      if (isFatal(error)) throw error;
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      const unknown = new JobError(
        isFull(error) || error instanceof JobError ? 'STORE_FULL' : 'STORE_UNKNOWN',
        {
          cause: error,
        },
      );
      for (const [index, member] of members.entries()) {
        const outcome = outcomes[index];
        member.settle(outcome && !outcome.ok ? outcome : { ok: false, error: unknown });
      }
      return;
    }
    this.#demandPlace();
    for (const [index, member] of members.entries()) {
      const outcome = outcomes[index];
      if (outcome) member.settle(outcome);
    }
    this.#options.onCommit();
    if (this.#options.pauseMs > 0) rest(this.#options.pauseMs);
  }

  /**
   * Asked before a commit, so that nothing is written into a backup that was put there, and after it,
   * so that nothing is acknowledged which the next start would not find.
   */
  #demandPlace(): void {
    const { place } = this.#options;
    if (place.isKept()) return;
    if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
    // Commits that stand in the log alone are brought into the file, which may still be there.
    if (!place.isOverwritten()) this.#db.exec('PRAGMA wal_checkpoint(PASSIVE)');
    throw new Error('the database file, its -wal or its -shm was removed, moved or replaced');
  }
}

function toKnown(error: unknown): unknown {
  if (isFull(error)) return new JobError('STORE_FULL', { cause: error });
  const code = sqliteCode(error);
  if (code === 19) return new JobError('CONFLICT', { cause: error });
  return error;
}

function rank(member: Member): number {
  return member.verb === 'insert' || member.verb === 'insertOnce' ? 0 : 1;
}

function rows(effects: readonly Effect[]): number {
  return effects.reduce((sum, effect) => sum + effect.rows.length, 0);
}

const cell = new Int32Array(new SharedArrayBuffer(4));

/** Sleep without an event loop: the writer has nothing else to do. */
function rest(ms: number): void {
  Atomics.wait(cell, 0, 0, ms);
}
