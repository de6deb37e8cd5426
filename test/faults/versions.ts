/** The same program one change of its tables later. */
import * as postgres from '../../src/postgres.ts';
import * as sqlite from '../../src/sqlite.ts';
import type { Migrations } from '../../src/store/migrations.ts';
import type { Store } from '../../src/store/store.ts';
import { DONE } from './jobs.ts';
import { MIGRATIONS, type Address } from './place.ts';

const CHANGE = 'ALTER TABLE done ADD COLUMN more TEXT';

const NEWER: Migrations = {
  ...DONE,
  sqlite: [...DONE.sqlite, CHANGE],
  postgres: [...(DONE.postgres ?? []), CHANGE],
};

export function openNewer({ engine, at }: Address): Promise<Store> {
  const migrations = [NEWER, ...MIGRATIONS.filter((one) => one !== DONE)];
  return engine === 'sqlite'
    ? sqlite.openStore(at, { migrations, isGuest: true })
    : postgres.openStore(at, { migrations, connectionsMax: 4 });
}
