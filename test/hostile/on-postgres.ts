/** Tests of hostile callers once more, on PostgreSQL. */
import { ACCESS_CODE_MIGRATIONS } from '../../src/access-codes/sqlite/migrations.ts';
import { openStore } from '../../src/postgres.ts';
import { serveFrom } from '../access-codes/served.ts';
import { emptyDatabase } from '../support/postgres.ts';

serveFrom(async () => {
  const url = await emptyDatabase();
  const store = await openStore(url, { migrations: [ACCESS_CODE_MIGRATIONS] });
  return { store, dump: () => Promise.reject(new Error('nothing is looked for in the rows here')) };
});

await import('./gate.test.ts');
await import('./text.test.ts');
await import('./teams.test.ts');
