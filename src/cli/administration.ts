/**
 * Commands that open the database itself.
 */
import { existsSync } from 'node:fs';
import type { Store } from '../store/store.ts';
import { isPostgres } from './database-address.ts';
import { openDatabase } from './database.ts';
import { CliError, localError } from './exit.ts';

/**
 * Open the store, use it, and close it. Another process may be serving on it meanwhile.
 *
 * @throws CliError for everything that goes wrong, also when the file is missing and must be there
 */
export async function withStore<T>(
  { db, mustExist }: { readonly db: string; readonly mustExist: boolean },
  use: (store: Store) => Promise<T>,
): Promise<T> {
  if (mustExist && !isPostgres(db) && !existsSync(db)) {
    throw new CliError('NO_DATABASE', `There is no database at ${db}.`, {
      remediation: 'Name it with --db or MCP_ASYNC_JOBS_DB; `start` makes one.',
    });
  }
  try {
    const migrate = !(mustExist && isPostgres(db));
    const store = await openDatabase(db, { isGuest: true, migrate, connections: 2 });
    try {
      return await use(store);
    } finally {
      await store.close();
    }
  } catch (error) {
    throw localError(error, db);
  }
}
