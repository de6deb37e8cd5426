/** A connection is fit for the next statement, whatever became of the one before. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { monotonic } from '../../src/job/clock.ts';
import { SILENT } from '../../src/job/log.ts';
import { openStore } from '../../src/postgres.ts';
import { Database, patiently } from '../../src/store/postgres/database.ts';
import { emptyDatabase, psql, thePostgres } from '../support/postgres.ts';
import type { Ending } from '../support/temp.ts';

/** A database over a single connection. */
async function oneConnection(t: Ending, isPooled = false): Promise<Database> {
  const options = { url: await emptyDatabase(), connectionsMax: 1, log: SILENT };
  const database = Database.open(options, isPooled);
  t.after(() => database.close());
  return database;
}

/** Writes, and reads what it wrote in a statement of its own. */
async function works(database: Database): Promise<void> {
  await database.transaction(async (tx) => {
    await tx.run('CREATE TABLE IF NOT EXISTS kept (n int)');
    await tx.run('INSERT INTO kept VALUES (1)');
  });
  assert.deepEqual(await database.query('SELECT n FROM kept LIMIT 1'), [{ n: 1 }]);
}

for (const isPooled of [false, true]) {
  const where = isPooled ? 'behind a pooler' : 'on a server';
  test(`a statement that fails leaves no transaction open, ${where}`, async (t) => {
    const database = await oneConnection(t, isPooled);
    for (let i = 0; i < 2; i += 1) await assert.rejects(database.query('SELECT 1 / 0'), /zero/);
    await works(database);
  });

  test(`a transaction that fails leaves none open, ${where}`, async (t) => {
    const database = await oneConnection(t, isPooled);
    const failing = database.transaction((tx) => tx.run('SELECT 1 / 0'));
    await assert.rejects(failing, /zero/);
    await works(database);
  });

  test(`a read leaves no transaction open that only reads, ${where}`, async (t) => {
    const database = await oneConnection(t, isPooled);
    const { rows } = await database.readOnly((tx) =>
      tx.run('WITH one AS (SELECT 1 AS n) TABLE one'),
    );
    assert.deepEqual(rows, [{ n: 1 }]);
    await assert.rejects(
      database.readOnly((tx) => tx.run('SELECT 1 / 0')),
      /zero/,
    );
    await works(database);
  });

  test(`a text of the deliveries that fails half way leaves no transaction open, ${where}`, async (t) => {
    const database = await oneConnection(t, isPooled);
    await assert.rejects(database.executeSql('BEGIN; SELECT 1 / 0; COMMIT'), /zero/);
    await works(database);
  });
}

test('what is tried again while the database is away waits longer each time', async () => {
  const away = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
  const startedAt = monotonic();
  let tries = 0;
  const trying = patiently(() => {
    tries += 1;
    return Promise.reject(away);
  }, 1_000);
  await assert.rejects(trying, { code: 'STORE_BUSY' });
  assert.ok(monotonic() - startedAt >= 1_000);
  assert.ok(tries >= 3 && tries <= 12, `${tries} tries in a second`);
});

test('what is no fault of the connection is not tried again', async () => {
  let tries = 0;
  const wrong = Object.assign(new Error('no such table'), { code: '42P01', severity: 'ERROR' });
  const trying = patiently(() => {
    tries += 1;
    return Promise.reject(wrong);
  });
  await assert.rejects(trying, /no such table/);
  assert.equal(tries, 1);
});

test('a database that is not encoded in UTF-8 is refused', async (t) => {
  const server = await thePostgres();
  await psql(
    server.url('postgres'),
    `CREATE DATABASE latin ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0`,
  );
  const opening = openStore(server.url('latin'));
  // Should it open all the same, it has to be closed, or the test would not end.
  t.after(async () => (await opening.catch(() => null))?.close());
  await assert.rejects(opening, /encoded in SQL_ASCII, not UTF8/);
  assert.deepEqual(await psql(server.url('latin'), `SELECT to_regclass('jobs') AS jobs`), [
    { jobs: null },
  ]);
});
