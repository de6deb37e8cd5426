/**
 * Whether the tables are still described as this program made them. SQLite reads the description at
 * each start and believes it: one letter of it that a disk has changed, and a statement is refused for
 * ever, while every row is as it was.
 */
import { DatabaseSync } from 'node:sqlite';
import type { FoundVersion, Migrations } from '../migrations.ts';
import { migrate } from './migrate.ts';

const OBJECTS = `SELECT name, sql FROM sqlite_master
  WHERE sql IS NOT NULL AND name <> 'schema_migrations'`;

/** @returns names of tables, indexes and triggers that are missing, or described otherwise; of known versions only */
export function changedSchema(
  db: DatabaseSync,
  found: ReadonlyMap<string, FoundVersion>,
  known: readonly Migrations[],
): string[] {
  const same = known.filter(
    ({ namespace, sqlite }) => found.get(namespace)?.version === sqlite.length,
  );
  const fresh = new DatabaseSync(':memory:');
  try {
    migrate(fresh, same);
    const there = new Map(objectsOf(db));
    return objectsOf(fresh)
      .filter(([name, sql]) => there.get(name) !== sql)
      .map(([name]) => name);
  } finally {
    fresh.close();
  }
}

const objectsOf = (db: DatabaseSync): [string, string][] =>
  db
    .prepare(OBJECTS)
    .all()
    .map(({ name, sql }) => [String(name), String(sql)]);
