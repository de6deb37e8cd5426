/** The one place that opens a database, whatever its engine. Only the engine that is used is loaded. */
import { loadPostgres } from '../http/load-postgres.ts';
import type { Logger } from '../job/log.ts';
import { SILENT } from '../job/log.ts';
import type { Migrations } from '../store/migrations.ts';
import type { Store } from '../store/store.ts';
import { isPostgres, forgetDatabaseAddress } from './database-address.ts';
import { CliError } from './exit.ts';
import { statusOfDatabase } from './migrating.ts';

export interface OpenDatabaseOptions {
  readonly migrations?: readonly Migrations[];
  readonly log?: Logger;
  /** Whether another process writes most of what is written to the file. */
  readonly isGuest?: boolean;
  /** Whether missing tables are made; else they are an error. Default true. */
  readonly migrate?: boolean | undefined;
  /** Most connections to PostgreSQL, besides the one that listens. Default 10. */
  readonly connections?: number | undefined;
}

/** @param db path of a SQLite file, or address of a PostgreSQL database */
export async function openDatabase(db: string, options: OpenDatabaseOptions): Promise<Store> {
  const { migrations = [], log = SILENT, isGuest = false, migrate = true } = options;
  forgetDatabaseAddress();
  if (isPostgres(db)) {
    const { connections: connectionsMax = 10 } = options;
    const { openStore } = await loadPostgres();
    return openStore(db, { migrations, log, migrate, connectionsMax });
  }
  if (!migrate) await assertCurrent(db, migrations);
  const { openStore } = await import('../sqlite.ts');
  return openStore(db, { migrations, log, isGuest });
}

async function assertCurrent(db: string, migrations: readonly Migrations[]): Promise<void> {
  const status = await statusOfDatabase(db, migrations);
  // What is too new is refused by whoever opens it, who knows better what to say.
  if (status.every(({ found, wanted }) => found >= wanted)) return;
  throw new CliError('NOT_MIGRATED', `The tables of ${db} are not up to date.`, {
    remediation: 'Run: mcp-async-jobs migrate apply',
  });
}
