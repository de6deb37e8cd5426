/**
 * Bringing the tables up to date: each step in a transaction of its own, so that a stop between
 * two steps is resumed; several processes at once wait for each other.
 */
import type { DatabaseSync } from 'node:sqlite';
import { now } from '../../job/clock.ts';
import {
  assertNotNewer,
  isAdditive,
  sqlOf,
  statusFor,
  type FoundVersion,
  type Migrations,
  type NamespaceStatus,
} from '../migrations.ts';

const EXISTS = `SELECT count(*) AS columns FROM pragma_table_info('schema_migrations')`;
const CREATE = `CREATE TABLE IF NOT EXISTS schema_migrations (
  namespace TEXT NOT NULL, version INTEGER NOT NULL, applied_at INTEGER NOT NULL,
  PRIMARY KEY (namespace, version)) STRICT`;
const HAS_ADDITIVE = `SELECT 1 FROM pragma_table_info('schema_migrations') WHERE name = 'additive'`;
const ADD_ADDITIVE = `ALTER TABLE schema_migrations ADD COLUMN additive INTEGER NOT NULL DEFAULT 0`;
const VERSIONS = `SELECT namespace, max(version) AS version,
  max(CASE additive WHEN 1 THEN 0 ELSE version END) AS breaking
  FROM schema_migrations GROUP BY namespace`;
const OLD_VERSIONS = `SELECT namespace, max(version) AS version, max(version) AS breaking
  FROM schema_migrations GROUP BY namespace`;
const RECORD = `INSERT INTO schema_migrations (namespace, version, applied_at, additive)
  VALUES (:namespace, :version, :at, :additive)`;
/** A constraint that is checked at COMMIT would fail every other write of the same commit. */
const DEFERRED = /initially\s+deferred|defer_foreign_keys/i;
/** A conflict that ends the transaction would undo every other write of the same commit. */
const ROLLBACK = /\bconflict\s+rollback\b|\bor\s+rollback\b|\braise\s*\(\s*rollback\b/i;

/** @throws JobError when the file was made by a newer program, or a step cannot be applied */
export function migrate(db: DatabaseSync, all: readonly Migrations[]): void {
  for (const { namespace, sqlite } of all) {
    const texts = sqlite.map(sqlOf);
    if (texts.some((step) => DEFERRED.test(step))) {
      throw new TypeError(
        `A migration of "${namespace}" defers a constraint. Use constraints that are checked at once.`,
      );
    }
    if (texts.some((step) => ROLLBACK.test(step))) {
      throw new TypeError(
        `A migration of "${namespace}" answers a conflict with ROLLBACK. Use ABORT, the default.`,
      );
    }
  }
  // Look without a write lock first: nearly every start finds nothing to do.
  const status = statusOf(db, all);
  assertNotNewer(status);
  if (status.every(({ compatible }) => compatible)) return;
  inTransaction(db, () => {
    db.exec(CREATE);
    if (db.prepare(HAS_ADDITIVE).get() === undefined) db.exec(ADD_ADDITIVE);
  });
  for (const migrations of all) {
    while (inTransaction(db, () => nextStep(db, migrations)));
  }
}

/** What the file says of each namespace; empty for a file without any tables of ours. */
export function versionsOf(db: DatabaseSync): ReadonlyMap<string, FoundVersion> {
  if (db.prepare(EXISTS).get()?.['columns'] === 0) return new Map();
  const isOld = db.prepare(HAS_ADDITIVE).get() === undefined;
  const rows = db.prepare(isOld ? OLD_VERSIONS : VERSIONS).all();
  return new Map(
    rows.map((row) => [
      String(row['namespace']),
      { version: Number(row['version']), breaking: Number(row['breaking']) },
    ]),
  );
}

function statusOf(db: DatabaseSync, all: readonly Migrations[]): NamespaceStatus[] {
  const found = versionsOf(db);
  return all.map(({ namespace, sqlite }) =>
    statusFor(namespace, sqlite.length, found.get(namespace)),
  );
}

function nextStep(db: DatabaseSync, migrations: Migrations): boolean {
  const { namespace, sqlite } = migrations;
  const status = statusOf(db, [migrations]);
  assertNotNewer(status);
  const done = status[0]?.found ?? 0;
  const step = sqlite[done];
  if (step === undefined) return false;
  db.exec(sqlOf(step));
  const additive = isAdditive(step) ? 1 : 0;
  db.prepare(RECORD).run({ namespace, version: done + 1, at: now(), additive });
  return true;
}

function inTransaction<T>(db: DatabaseSync, work: () => T): T {
  db.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    db.exec('COMMIT');
    return result;
  } catch (error) {
    // A full disk has ended it already; then this would hide why.
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}
