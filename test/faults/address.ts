/** Where jobs are kept, and how the product opens it; only the store that is asked for is loaded. */
import { ACCESS_CODE_MIGRATIONS } from '../../src/access-codes/sqlite/migrations.ts';
import type { Store } from '../../src/store/store.ts';
import { DONE } from './jobs.ts';
import type { Engine } from './place.ts';

export const MIGRATIONS = [DONE, ACCESS_CODE_MIGRATIONS];

export interface Address {
  readonly engine: Engine;
  /** Path of the file, or URL of the database. */
  readonly at: string;
}

/** Open it as the product does. */
export async function openAt({ engine, at }: Address, isGuest: boolean): Promise<Store> {
  if (engine === 'sqlite') {
    const { openStore } = await import('../../src/sqlite.ts');
    return openStore(at, { migrations: MIGRATIONS, isGuest });
  }
  const { openStore } = await import('../../src/postgres.ts');
  return openStore(at, { migrations: MIGRATIONS, connectionsMax: 6 });
}
