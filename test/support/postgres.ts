/** A real PostgreSQL for tests: one server for each test file, one database for each store. */
import { after } from 'node:test';
import { Client, type QueryResultRow } from 'pg';
import { startPostgres, type PostgresServer } from '../../scripts/postgres/server.ts';
import { newLease } from '../../src/job/ids.ts';
import { openStore, type OpenStoreOptions } from '../../src/postgres.ts';
import type { Store } from '../../src/store/store.ts';
import type { Ending } from './temp.ts';

let server: Promise<PostgresServer> | undefined;

// Registered while the file is read, so that it runs after the last test and not after the first.
after(async () => (await server)?.stop());

/** The server of this test file, started by the first who asks. */
export function thePostgres(): Promise<PostgresServer> {
  server ??= startPostgres({ settings: { max_connections: '300' } });
  return server;
}

/** Run one statement past the store, as an operator would. */
export async function psql<R extends QueryResultRow = Record<string, unknown>>(
  url: string,
  text: string,
  values: unknown[] = [],
): Promise<R[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<R>(text, values)).rows;
  } finally {
    await client.end();
  }
}

/** Keep what a setting is wherever a job is written. @returns how to read it, one for each write */
export async function watchSetting(url: string, name: string): Promise<() => Promise<unknown[]>> {
  await psql(
    url,
    `CREATE TABLE seen (value text);
     CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN INSERT INTO seen VALUES (current_setting('${name}')); RETURN NULL; END $$;
     CREATE TRIGGER see AFTER INSERT OR UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION see()`,
  );
  return async () => (await psql(url, 'SELECT value FROM seen')).map(({ value }) => value);
}

/** An empty database; `template` copies another one. */
export async function emptyDatabase(template = 'template1'): Promise<string> {
  const running = await thePostgres();
  const name = `test_${newLease().replaceAll(/\W/g, '').toLowerCase()}`;
  await psql(running.url('postgres'), `CREATE DATABASE ${name} TEMPLATE ${template}`);
  return running.url(name);
}

let migrated: Promise<string> | undefined;

/** The name of a database with our tables and nothing in them. */
async function migratedDatabase(): Promise<string> {
  const url = await emptyDatabase();
  await (await openStore(url)).close();
  return new URL(url).pathname.slice(1);
}

/** A store on a database of its own, closed after the test. */
export async function postgresStore(t: Ending, options: OpenStoreOptions = {}): Promise<Store> {
  return (await postgresStores(t, 1, options)).stores[0] as Store;
}

/** Several stores, as of several processes, on one database. */
export async function postgresStores(
  t: Ending,
  count: number,
  options: OpenStoreOptions = {},
): Promise<{ url: string; stores: Store[] }> {
  migrated ??= migratedDatabase();
  const url = await emptyDatabase(await migrated);
  const stores: Store[] = [];
  t.after(async () => {
    await Promise.all(stores.map((store) => store.close()));
  });
  for (let i = 0; i < count; i += 1) stores.push(await openStore(url, options));
  return { url, stores };
}
