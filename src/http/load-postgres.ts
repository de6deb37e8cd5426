/** The store on PostgreSQL, loaded by who names such a database and by nobody else. */

import type * as Postgres from '../postgres.ts';

/** @throws Error when the packages that speak to PostgreSQL are not installed */
export async function loadPostgres(): Promise<typeof Postgres> {
  try {
    return await import('../postgres.ts');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause;
    throw new Error(
      'the packages for PostgreSQL are not installed; run: npm install pg pg-boss@12.35.0',
      { cause },
    );
  }
}
