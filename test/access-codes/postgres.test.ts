/** The suite of the application once more, on PostgreSQL. */
import { ACCESS_CODE_MIGRATIONS } from '../../src/access-codes/sqlite/migrations.ts';
import { openStore } from '../../src/postgres.ts';
import { emptyDatabase, psql } from '../support/postgres.ts';
import { serveFrom } from './served.ts';

serveFrom(async () => {
  const url = await emptyDatabase();
  const store = await openStore(url, { migrations: [ACCESS_CODE_MIGRATIONS] });
  return { store, dump: () => everyRowOf(url) };
});

const TABLES = `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
  WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`;

async function everyRowOf(url: string): Promise<string> {
  const asText = new URL(url);
  // So that text in a column of bytes would be found, too.
  asText.searchParams.set('options', '-c bytea_output=escape');
  const tables = await psql<{ name: string }>(url, TABLES);
  const rows = tables.map(({ name }) => psql(asText.href, `SELECT t::text AS row FROM ${name} t`));
  return JSON.stringify(await Promise.all(rows));
}

await import('./batches.test.ts');
await import('./bounds.test.ts');
await import('./redeem.test.ts');
await import('./tenancy.test.ts');
await import('./tools.test.ts');
await import('../tasks/access-codes.test.ts');
