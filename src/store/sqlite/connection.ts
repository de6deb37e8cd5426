/**
 * One connection to the file, with the settings that the promise of durability needs, and the
 * meaning of SQLite's errors. WAL with synchronous=FULL: a commit that was answered survives a
 * power cut (NORMAL would lose it).
 */
import { closeSync, openSync, statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { JobError } from '../../job/errors.ts';

/** 3.51.3 is the first version without the bug that could corrupt a WAL on reset. */
const VERSION_MIN = [3, 51, 3] as const;
/** NFS, SMB, CIFS: shared memory and locks do not work there. */
const NETWORK_FILE_SYSTEMS = [0x6969, 0x517b, 0xff534d42, 0xfe534d42];

export const BUSY = 5;
const FULL = 13;
/** After one of these nothing of the file can be trusted: I/O error, corrupt, not a database. */
const FATAL = [10, 11, 26];

interface SqliteError extends Error {
  readonly errcode: number;
}

/** SQLite's primary result code of an error, or null when it is none of SQLite's. */
export function sqliteCode(error: unknown): number | null {
  if (!(error instanceof Error) || !('errcode' in error)) return null;
  // The low byte is the primary code; the rest says more of the same.
  return (error as SqliteError).errcode & 0xff;
}

export function isFatal(error: unknown): boolean {
  return FATAL.includes(sqliteCode(error) ?? -1);
}

export function isFull(error: unknown): boolean {
  return sqliteCode(error) === FULL;
}

/**
 * The first connection of a process: the file is made when it is missing.
 *
 * @throws JobError when the path, the file system or the file cannot be used
 */
export function openFirst(path: string, busyMs: number): DatabaseSync {
  prepareFile(path);
  try {
    return openWriter(path, busyMs);
  } catch (error) {
    if (!isFatal(error)) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new JobError('INTERNAL_ERROR', {
      message: `${path} cannot be used: ${why}. Name another file, or restore this one from a backup.`,
      cause: error,
    });
  }
}

/** Make the file when it is missing, readable by its owner alone; refuse where SQLite is unsafe. */
function prepareFile(path: string): void {
  try {
    if (NETWORK_FILE_SYSTEMS.includes(statfsSync(dirname(path)).type)) {
      throw new JobError('INTERNAL_ERROR', {
        message: `${path} lies on a network file system, where SQLite loses data. Use a local disk, or PostgreSQL.`,
      });
    }
    // Not through a link, and with its mode from the first moment on.
    closeSync(openSync(path, 'ax', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST' && statSync(path).isFile()) return;
    if (error instanceof JobError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new JobError('INTERNAL_ERROR', {
      message: `The database ${path} cannot be opened or made: ${why}. Check that its folder exists and can be written.`,
      cause: error,
    });
  }
}

/** A connection for the one writer of this process; `busyMs` 0 answers BUSY at once. */
export function openWriter(path: string, busyMs: number): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: busyMs, allowExtension: false });
  for (const pragma of [
    'journal_mode = WAL',
    'synchronous = FULL',
    'fullfsync = 1',
    'checkpoint_fullfsync = 1',
    'foreign_keys = ON',
    'trusted_schema = OFF',
    // What is wiped, such as the sealed codes of an old batch, must not stay in free pages.
    'secure_delete = ON',
    'mmap_size = 0',
    'journal_size_limit = 67108864',
    'cache_size = -65536',
  ]) {
    db.exec(`PRAGMA ${pragma}`);
  }
  assertSettings(db, path);
  return db;
}

/** A connection that can only read. */
export function openReader(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { readOnly: true, timeout: 0, allowExtension: false });
  db.exec('PRAGMA trusted_schema = OFF');
  db.exec('PRAGMA mmap_size = 0');
  return db;
}

function assertSettings(db: DatabaseSync, path: string): void {
  const version = String(value(db, 'SELECT sqlite_version() AS v'));
  const problems = [
    isOlder(version) && `SQLite is ${version}; 3.51.3 or later is needed. Use a current Node 24.`,
    value(db, 'PRAGMA journal_mode') !== 'wal' && 'the journal mode is not WAL',
    value(db, 'PRAGMA synchronous') !== 2 && 'synchronous is not FULL',
  ].filter((problem) => problem !== false);
  if (problems.length > 0) {
    throw new JobError('INTERNAL_ERROR', {
      message: `${path} cannot be used safely: ${problems.join('; ')}.`,
    });
  }
}

function isOlder(version: string): boolean {
  const parts = version.split('.').map(Number);
  for (const [index, min] of VERSION_MIN.entries()) {
    if ((parts[index] ?? 0) !== min) return (parts[index] ?? 0) < min;
  }
  return false;
}

function value(db: DatabaseSync, sql: string): unknown {
  return Object.values(db.prepare(sql).get() ?? {})[0];
}

/** Prepared statements of one connection, by their text. */
export class Prepared {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  get(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (!statement) {
      // Texts are fixed, so the map is small; the bound guards against a caller who builds them.
      if (this.#statements.size > 1_000) this.#statements.clear();
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}
