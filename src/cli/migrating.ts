/** What `migrate` does, on both engines: how far the tables are, what is missing, and doing it. */
import { existsSync } from 'node:fs';
import { loadPostgres } from '../http/load-postgres.ts';
import type { PlannedStep } from '../postgres.ts';
import {
  sqlOf,
  statusFor,
  type FoundVersion,
  type Migrations,
  type NamespaceStatus,
} from '../store/migrations.ts';
import { isPostgres } from './database-address.ts';

/** Changes nothing. */
export async function statusOfDatabase(
  db: string,
  migrations: readonly Migrations[],
): Promise<NamespaceStatus[]> {
  if (isPostgres(db)) return (await loadPostgres()).migrationStatus(db, { migrations });
  const [all, found] = await Promise.all([sqliteTables(migrations), sqliteVersions(db)]);
  return all.map(({ namespace, sqlite }) =>
    statusFor(namespace, sqlite.length, found.get(namespace)),
  );
}

/** Changes nothing. */
export async function planForDatabase(
  db: string,
  migrations: readonly Migrations[],
): Promise<PlannedStep[]> {
  if (isPostgres(db)) return (await loadPostgres()).planMigrations(db, { migrations });
  const [all, found] = await Promise.all([sqliteTables(migrations), sqliteVersions(db)]);
  return all.flatMap(({ namespace, sqlite }) =>
    sqlite
      .map((step, index) => ({ namespace, version: index + 1, sql: sqlOf(step) }))
      .filter(({ version }) => version > (found.get(namespace)?.version ?? 0)),
  );
}

/** @returns how far the tables are then */
export async function migrateDatabase(
  db: string,
  migrations: readonly Migrations[],
): Promise<NamespaceStatus[]> {
  if (isPostgres(db)) return (await loadPostgres()).applyMigrations(db, { migrations });
  const { openStore } = await import('../sqlite.ts');
  await (await openStore(db, { migrations, isGuest: true })).close();
  return statusOfDatabase(db, migrations);
}

async function sqliteTables(migrations: readonly Migrations[]): Promise<readonly Migrations[]> {
  const [{ JOBS_MIGRATIONS }, { TEAM_MIGRATIONS }] = await Promise.all([
    import('../store/sqlite/migrations.ts'),
    import('../team/sqlite/migrations.ts'),
  ]);
  return [JOBS_MIGRATIONS, TEAM_MIGRATIONS, ...migrations];
}

async function sqliteVersions(file: string): Promise<ReadonlyMap<string, FoundVersion>> {
  if (!existsSync(file)) return new Map();
  const { schemaVersions } = await import('../store/sqlite/inspect.ts');
  return schemaVersions(file);
}
