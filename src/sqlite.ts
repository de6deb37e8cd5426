/** The door to the embedded store. */
import { resolve } from 'node:path';
import type { Logger } from './job/log.ts';
import { SILENT } from './job/log.ts';
import type { Migrations } from './store/migrations.ts';
import { openFirst } from './store/sqlite/connection.ts';
import { migrate } from './store/sqlite/migrate.ts';
import { JOBS_MIGRATIONS } from './store/sqlite/migrations.ts';
import { SqliteStore } from './store/sqlite/sqlite-store.ts';
import type { Store } from './store/store.ts';
import { TEAM_MIGRATIONS } from './team/sqlite/migrations.ts';

export interface OpenStoreOptions {
  /** The application's own tables, beside ours. */
  readonly migrations?: readonly Migrations[];
  /** Whether another process (a server) writes most: rest 5 ms after each own commit. Default false. */
  readonly isGuest?: boolean;
  /** Inputs and results of more bytes than this are kept apart from their row. Default 65,536. */
  readonly inlineBytesMax?: number;
  /**
   * Called when the file can no longer be trusted (I/O error, corruption). Default: log, then end
   * the process with code 70; nothing may be answered after it.
   */
  readonly onFatal?: (reason: string) => void;
  readonly log?: Logger;
}

/** Opening, recovery and migration wait this long for other processes. */
const OPEN_BUSY_MS = 5_000;

/**
 * Open a SQLite file as a store; it is made, and its tables are brought up to date.
 *
 * @param path of the file; its folder must exist
 * @throws JobError when the file cannot be used safely, or was written by a newer program
 */
export async function openStore(path: string, options: OpenStoreOptions = {}): Promise<Store> {
  const { migrations = [], isGuest = false, inlineBytesMax = 65_536, log = SILENT } = options;
  const file = resolve(path);
  const db = openFirst(file, OPEN_BUSY_MS);
  try {
    migrate(db, [JOBS_MIGRATIONS, TEAM_MIGRATIONS, ...migrations]);
    return await SqliteStore.start({
      path: file,
      pauseMs: isGuest ? 5 : 0,
      inlineBytesMax,
      onFatal: options.onFatal ?? ((reason) => stop(reason, log)),
    });
  } finally {
    db.close();
  }
}

function stop(reason: string, log: Logger): never {
  log.error({ reason }, 'the database cannot be trusted any more; stopping');
  process.exit(70);
}
