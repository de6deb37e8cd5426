/**
 * Bringing the tables up to date: each step in a transaction of its own, so that a stop between
 * two steps is resumed; several processes at once wait for each other.
 */
import type { DatabaseSync } from 'node:sqlite';
import { now } from '../../job/clock.ts';
import { JobError } from '../../job/errors.ts';
import type { Migrations } from '../migrations.ts';

const CREATE = `CREATE TABLE IF NOT EXISTS schema_migrations (
  namespace TEXT NOT NULL, version INTEGER NOT NULL, applied_at INTEGER NOT NULL,
  PRIMARY KEY (namespace, version)) STRICT`;
const VERSION = `SELECT coalesce(max(version), 0) AS version FROM schema_migrations
  WHERE namespace = :namespace`;
const RECORD = `INSERT INTO schema_migrations (namespace, version, applied_at)
  VALUES (:namespace, :version, :at)`;
/** A constraint that is checked at COMMIT would fail every other write of the same commit. */
const DEFERRED = /initially\s+deferred|defer_foreign_keys/i;
/** A conflict that ends the transaction would undo every other write of the same commit. */
const ROLLBACK = /\bconflict\s+rollback\b|\bor\s+rollback\b|\braise\s*\(\s*rollback\b/i;

/** @throws JobError when the file was made by a newer program, or a step cannot be applied */
export function migrate(db: DatabaseSync, all: readonly Migrations[]): void {
  for (const { namespace, sqlite } of all) {
    if (sqlite.some((step) => DEFERRED.test(step))) {
      throw new TypeError(
        `A migration of "${namespace}" defers a constraint. Use constraints that are checked at once.`,
      );
    }
    if (sqlite.some((step) => ROLLBACK.test(step))) {
      throw new TypeError(
        `A migration of "${namespace}" answers a conflict with ROLLBACK. Use ABORT, the default.`,
      );
    }
  }
  if (isCurrent(db, all)) return;
  inTransaction(db, () => db.exec(CREATE));
  for (const migrations of all) {
    while (inTransaction(db, () => nextStep(db, migrations)));
  }
}

/** Look without a write lock first: nearly every start finds nothing to do. */
function isCurrent(db: DatabaseSync, all: readonly Migrations[]): boolean {
  try {
    return all.every((migrations) => version(db, migrations) === migrations.sqlite.length);
  } catch (error) {
    if (error instanceof JobError) throw error;
    return false;
  }
}

function nextStep(db: DatabaseSync, migrations: Migrations): boolean {
  const done = version(db, migrations);
  const step = migrations.sqlite[done];
  if (step === undefined) return false;
  db.exec(step);
  db.prepare(RECORD).run({ namespace: migrations.namespace, version: done + 1, at: now() });
  return true;
}

function version(db: DatabaseSync, { namespace, sqlite }: Migrations): number {
  const found = db.prepare(VERSION).get({ namespace })?.['version'] as number;
  if (found > sqlite.length) {
    throw new JobError('INTERNAL_ERROR', {
      message: `The tables "${namespace}" are at version ${found}, this program knows ${sqlite.length}. Start a program at least as new as the one that wrote the database.`,
    });
  }
  return found;
}

function inTransaction<T>(db: DatabaseSync, work: () => T): T {
  db.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    db.exec('COMMIT');
    return result;
  } catch (error) {
    db.exec('ROLLBACK');
    throw error;
  }
}
