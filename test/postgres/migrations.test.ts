import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client } from 'pg';
import { applyMigrations, migrationStatus, openStore, planMigrations } from '../../src/postgres.ts';
import { connectToMigrate, migrate } from '../../src/store/postgres/migrate.ts';
import { JOBS_STEPS } from '../../src/store/postgres/migrations.ts';
import { aJob, who } from '../support/a-job.ts';
import { emptyDatabase, psql } from '../support/postgres.ts';
import type { Ending } from '../support/temp.ts';
import { until } from '../support/until.ts';

const APP = {
  namespace: 'pages',
  sqlite: [],
  postgres: ['CREATE TABLE pages (n integer)', 'CREATE INDEX pages_n ON pages (n)'],
};

test('an empty database is planned, migrated and then up to date', async () => {
  const url = await emptyDatabase();
  const plan = await planMigrations(url, { migrations: [APP] });
  assert.deepEqual(
    [...new Set(plan.map(({ namespace }) => namespace))],
    ['jobs', 'team', 'pages', 'deliveries'],
  );
  assert.match(plan[0]?.sql ?? '', /CREATE TABLE jobs/);
  const [row] = await psql(url, `SELECT to_regclass('jobs') AS found`);
  assert.equal(row?.['found'], null, 'planning changes nothing');
  const status = await applyMigrations(url, { migrations: [APP] });
  assert.ok(status.every(({ found, wanted }) => found === wanted && found > 0));
  assert.deepEqual(await planMigrations(url, { migrations: [APP] }), []);
});

test('several processes that migrate at once wait for each other', async (t) => {
  const url = await emptyDatabase();
  await Promise.all(
    Array.from({ length: 6 }, async () => {
      const store = await openStore(url);
      t.after(() => store.close());
      await store.insert(aJob(), 0);
    }),
  );
  const rows = await psql(url, `SELECT 1 FROM jobs`);
  assert.equal(rows.length, 6);
});

test('a migration that was stopped between two steps goes on where it was', async () => {
  const url = await emptyDatabase();
  const broken = { ...APP, postgres: [...APP.postgres.slice(0, 1), 'CREATE TABLE pages (n int)'] };
  await assert.rejects(applyMigrations(url, { migrations: [broken] }), /already exists/);
  const status = await migrationStatus(url, { migrations: [APP] });
  const pages = status.find(({ namespace }) => namespace === 'pages');
  assert.deepEqual(pages, {
    namespace: 'pages',
    found: 1,
    wanted: 2,
    compatible: false,
  });
  await applyMigrations(url, { migrations: [APP] });
  await psql(url, `INSERT INTO pages VALUES (1)`);
});

test('tables of a newer program are refused, and left as they are', async () => {
  const url = await emptyDatabase();
  await applyMigrations(url);
  await psql(url, `INSERT INTO schema_migrations VALUES ('jobs', 9999, 0)`);
  for (const work of [openStore, applyMigrations, planMigrations]) {
    await assert.rejects(work(url), /at version 9999.*newer|at least as new/);
  }
});

test('a server of the version before starts on tables that were only added to, and works', async () => {
  const url = await emptyDatabase();
  const added = { additive: 'ALTER TABLE pages ADD COLUMN more text' };
  const newer = { ...APP, postgres: [...APP.postgres, added] };
  await applyMigrations(url, { migrations: [newer] });
  const store = await openStore(url, { migrations: [APP], migrate: false });
  const { id } = await store.insert(aJob(), 0);
  assert.equal((await store.get(id, who()))?.status, 'queued');
  await store.close();
  const status = await applyMigrations(url, { migrations: [APP] });
  assert.deepEqual(
    status.find(({ namespace }) => namespace === 'pages'),
    { namespace: 'pages', found: 3, wanted: 2, compatible: true },
  );
  assert.deepEqual(await planMigrations(url, { migrations: [APP] }), []);
  const breaking = { ...newer, postgres: [...newer.postgres, 'DROP TABLE pages'] };
  await applyMigrations(url, { migrations: [breaking] });
  for (const older of [APP, newer]) {
    await assert.rejects(openStore(url, { migrations: [older] }), /"pages" are at version 4/);
  }
});

test('a database from before steps could be additive is brought up to date', async () => {
  const url = await emptyDatabase();
  const older = { ...APP, postgres: APP.postgres.slice(0, 1) };
  await applyMigrations(url, { migrations: [older] });
  await psql(url, 'ALTER TABLE schema_migrations DROP COLUMN additive');
  await (await openStore(url, { migrations: [older], migrate: false })).close();
  await applyMigrations(url, { migrations: [APP] });
  await assert.rejects(openStore(url, { migrations: [older] }), /"pages" are at version 2/);
});

test('a server that may not migrate says so instead of starting', async () => {
  const url = await emptyDatabase();
  await assert.rejects(openStore(url, { migrate: false }), /migrate apply/);
  await applyMigrations(url);
  await (await openStore(url, { migrate: false })).close();
});

test('tables of an application without PostgreSQL steps are an error of its author', async () => {
  const url = await emptyDatabase();
  await assert.rejects(
    openStore(url, { migrations: [{ namespace: 'pages', sqlite: [] }] }),
    /"pages" have no `postgres` steps/,
  );
});

/** Somebody who reads a table in a transaction that the test ends, as a backup does. */
async function aReader(t: Ending, url: string, tables: string): Promise<Client> {
  const reader = new Client({ connectionString: url, application_name: 'a backup' });
  await reader.connect();
  t.after(() => reader.end());
  await reader.query(`BEGIN; LOCK TABLE ${tables} IN ACCESS SHARE MODE`);
  return reader;
}

const MORE = { ...APP, postgres: [...APP.postgres, 'ALTER TABLE pages ADD COLUMN more text'] };

test('a step that a reader is in the way of lets others pass, and is done when he has ended', async (t) => {
  const url = await emptyDatabase();
  await applyMigrations(url, { migrations: [APP] });
  const reader = await aReader(t, url, 'pages');
  const migrating = applyMigrations(url, { migrations: [MORE] });
  await psql(url, 'SET statement_timeout TO 5000; INSERT INTO pages VALUES (1)');
  await until('the step waits', async () => (await waiting(url)) > 0);
  await psql(url, 'SET statement_timeout TO 5000; INSERT INTO pages VALUES (2)');
  await reader.query('COMMIT');
  const status = await migrating;
  assert.ok(status.every(({ found, wanted }) => found === wanted));
  assert.deepEqual(await psql(url, 'SELECT n, more FROM pages ORDER BY n'), [
    { n: 1, more: null },
    { n: 2, more: null },
  ]);
});

test('a step whose table stays in use is given up with the name of the holder, and can be resumed', async (t) => {
  const url = await emptyDatabase();
  await applyMigrations(url, { migrations: [APP] });
  const reader = await aReader(t, url, 'pages');
  const client = await connectToMigrate(url, false);
  t.after(() => client.end());
  const steps = [{ namespace: 'pages', steps: MORE.postgres }];
  await assert.rejects(migrate(client, steps, 0), {
    code: 'INTERNAL_ERROR',
    message: /held by a backup \(process \d+, for \d+ s\).*migrate apply/,
  });
  await reader.query('COMMIT');
  await migrate(client, steps, 0);
  await psql(url, 'SELECT more FROM pages');
});

test('where nothing is missing no reader is in the way', async (t) => {
  const url = await emptyDatabase();
  await applyMigrations(url);
  await aReader(t, url, 'jobs, schema_migrations, mcp_async_jobs_delivery.job');
  const client = await connectToMigrate(url, false);
  t.after(() => client.end());
  await migrate(client, [{ namespace: 'jobs', steps: JOBS_STEPS }], 0);
});

async function waiting(url: string): Promise<number> {
  const text = `SELECT 1 FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  return (await psql(url, text)).length;
}
