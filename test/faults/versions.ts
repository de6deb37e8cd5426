/** The same program one or two changes of its tables later. */
import * as postgres from '../../src/postgres.ts';
import * as sqlite from '../../src/sqlite.ts';
import type { Migrations, MigrationStep } from '../../src/store/migrations.ts';
import type { Store } from '../../src/store/store.ts';
import { DONE } from './jobs.ts';
import { MIGRATIONS, type Address } from './address.ts';

const CHANGES: readonly MigrationStep[] = [
  { additive: 'ALTER TABLE done ADD COLUMN more TEXT' },
  // Nothing is said of it, so only a program that knows it may be started on it.
  'ALTER TABLE done ADD COLUMN most TEXT',
];

/** @param changes how many */
export function openNewer({ engine, at }: Address, changes: 1 | 2): Promise<Store> {
  const made = CHANGES.slice(0, changes);
  const newer: Migrations = {
    ...DONE,
    sqlite: [...DONE.sqlite, ...made],
    postgres: [...(DONE.postgres ?? []), ...made],
  };
  const migrations = [newer, ...MIGRATIONS.filter((one) => one !== DONE)];
  return engine === 'sqlite'
    ? sqlite.openStore(at, { migrations, isGuest: true })
    : postgres.openStore(at, { migrations, connectionsMax: 4 });
}
