/** Opening: tables that come into being, files that are refused, many processes at once. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { openStore } from '../../src/sqlite.ts';
import { BUSY, openWriter } from '../../src/store/sqlite/connection.ts';
import { migrate } from '../../src/store/sqlite/migrate.ts';
import { sqlOf, type Migrations } from '../../src/store/migrations.ts';
import { aJob, who } from '../support/a-job.ts';
import { startScript } from '../support/child.ts';
import { tempFolder } from '../support/temp.ts';

const OPENER = new URL('./opener.ts', import.meta.url);
const APP: Migrations = {
  namespace: 'app',
  sqlite: ['CREATE TABLE a (n INTEGER NOT NULL)', 'CREATE TABLE b (n INTEGER NOT NULL)'],
};

function versions(path: string, namespace = 'app'): number[] {
  const db = openWriter(path, 1_000);
  try {
    return db
      .prepare('SELECT version FROM schema_migrations WHERE namespace = ? ORDER BY version')
      .all(namespace)
      .map((row) => Number(row['version']));
  } finally {
    db.close();
  }
}

describe('opening a store', () => {
  test('a fresh file gets its tables, and opening it again changes nothing', async (t) => {
    const path = join(tempFolder(t), 'jobs.db');
    const first = await openStore(path, { migrations: [APP] });
    const { id } = await first.insert(aJob(), 0);
    await first.close();
    const before = versions(path, 'jobs');
    const second = await openStore(path, { migrations: [APP] });
    assert.equal((await second.get(id, who()))?.id, id);
    await second.close();
    assert.deepEqual(versions(path, 'jobs'), before);
    assert.deepEqual(versions(path), [1, 2]);
    assert.ok(before.length >= 10);
  });

  test('the file and what stands beside it can be read by its owner alone', async (t) => {
    const path = join(tempFolder(t), 'jobs.db');
    const store = await openStore(path);
    await store.insert(aJob(), 0);
    for (const end of ['', '-wal', '-shm']) {
      assert.equal(statSync(`${path}${end}`).mode & 0o777, 0o600, end);
    }
    await store.close();
  });

  test('a step that was added later is applied to an old file', async (t) => {
    const path = join(tempFolder(t), 'jobs.db');
    await (
      await openStore(path, { migrations: [{ ...APP, sqlite: APP.sqlite.slice(0, 1) }] })
    ).close();
    assert.deepEqual(versions(path), [1]);
    await (await openStore(path, { migrations: [APP] })).close();
    assert.deepEqual(versions(path), [1, 2]);
  });

  test('a step that fails leaves the ones before it, and the next opening goes on from there', async (t) => {
    const path = join(tempFolder(t), 'jobs.db');
    const broken = { ...APP, sqlite: [APP.sqlite[0] ?? '', 'CREATE TABLE b (n INTEGER) NONSENSE'] };
    await assert.rejects(openStore(path, { migrations: [broken] }), /NONSENSE/);
    assert.deepEqual(versions(path), [1]);
    await (await openStore(path, { migrations: [APP] })).close();
    assert.deepEqual(versions(path), [1, 2]);
  });

  test('a stop within a step undoes that step alone', async (t) => {
    const path = join(tempFolder(t), 'jobs.db');
    await (await openStore(path)).close();
    const half = {
      ...APP,
      sqlite: [APP.sqlite[0] ?? '', `${sqlOf(APP.sqlite[1] ?? '')}; SELECT * FROM nowhere`],
    };
    await assert.rejects(openStore(path, { migrations: [half] }), /nowhere/);
    assert.deepEqual(versions(path), [1]);
    await (await openStore(path, { migrations: [APP] })).close();
  });

  test('a step that has begun is waited for by whoever comes meanwhile', (t) => {
    const path = join(tempFolder(t), 'jobs.db');
    const [one, other] = [openWriter(path, 0), openWriter(path, 0)];
    for (const db of [one, other]) t.after(() => db.close());
    // One that may wait would do so here, for as long as its patience lasts.
    const refusals: unknown[] = [];
    one.function('meanwhile', () => {
      try {
        migrate(other, [APP]);
      } catch (error) {
        refusals.push(error);
      }
      return null;
    });
    const [first = '', ...rest] = APP.sqlite.map(sqlOf);
    migrate(one, [{ ...APP, sqlite: [`SELECT meanwhile(); ${first}`, ...rest] }]);
    assert.deepEqual(
      refusals.map((error) => (error as { errcode: number }).errcode & 0xff),
      [BUSY],
    );
    migrate(other, [APP]);
    assert.deepEqual(versions(path), [1, 2]);
  });

  test('an error that ended the transaction, as a full disk may, is told as it is', (t) => {
    const db = openWriter(join(tempFolder(t), 'jobs.db'), 0);
    t.after(() => db.close());
    const ended = { ...APP, sqlite: ['ROLLBACK; SELECT * FROM nowhere'] };
    assert.throws(() => migrate(db, [ended]), /nowhere/);
  });

  test('a file of a newer program is refused, saying which versions', async (t) => {
    const path = join(tempFolder(t), 'jobs.db');
    await (await openStore(path, { migrations: [APP] })).close();
    const older = { ...APP, sqlite: APP.sqlite.slice(0, 1) };
    await assert.rejects(openStore(path, { migrations: [older] }), {
      name: 'JobError',
      message: /"app" are at version 2, this program knows 1\. Start a program at least as new/,
    });
    assert.deepEqual(versions(path), [1, 2]);
  });

  test('a file that a newer program only added to is opened by an older one, and left as it is', async (t) => {
    const path = join(tempFolder(t), 'jobs.db');
    const [first = '', second = ''] = APP.sqlite;
    const newer = { ...APP, sqlite: [first, { additive: sqlOf(second) }] };
    await (await openStore(path, { migrations: [newer] })).close();
    const older = { ...APP, sqlite: [first] };
    const store = await openStore(path, { migrations: [older] });
    const { id } = await store.insert(aJob(), 0);
    assert.equal((await store.get(id, who()))?.status, 'queued');
    await store.close();
    assert.deepEqual(versions(path), [1, 2]);
    const breaking = { ...newer, sqlite: [...newer.sqlite, 'DROP TABLE a'] };
    await (await openStore(path, { migrations: [breaking] })).close();
    await assert.rejects(
      openStore(path, { migrations: [older] }),
      /version 3, this program knows 1/,
    );
    await assert.rejects(
      openStore(path, { migrations: [newer] }),
      /version 3, this program knows 2/,
    );
  });

  test('a file from before steps could be additive is brought up to date, and its steps are not', async (t) => {
    const path = join(tempFolder(t), 'jobs.db');
    const older = { ...APP, sqlite: APP.sqlite.slice(0, 1) };
    await (await openStore(path, { migrations: [older] })).close();
    const db = openWriter(path, 1_000);
    db.exec('ALTER TABLE schema_migrations DROP COLUMN additive');
    db.close();
    await (await openStore(path, { migrations: [older] })).close();
    await (await openStore(path, { migrations: [APP] })).close();
    await assert.rejects(openStore(path, { migrations: [older] }), /version 2/);
  });

  test('deferred constraints and conflicts that end the transaction are refused', async (t) => {
    const path = join(tempFolder(t), 'jobs.db');
    const refused: readonly (readonly [string, RegExp])[] = [
      ['CREATE TABLE c (a TEXT REFERENCES jobs (id) DEFERRABLE INITIALLY\n DEFERRED)', /defers/],
      ['PRAGMA defer_foreign_keys = ON', /defers/],
      ['CREATE TABLE c (a TEXT UNIQUE ON CONFLICT ROLLBACK)', /ROLLBACK/],
      [`CREATE TRIGGER c BEFORE INSERT ON jobs BEGIN SELECT RAISE(ROLLBACK, 'x'); END`, /ROLLBACK/],
    ];
    for (const [step, message] of refused) {
      const migrations = [{ namespace: 'app', sqlite: [step] }];
      await assert.rejects(openStore(path, { migrations }), { name: 'TypeError', message });
    }
  });

  test('a folder that is missing or closed is named, with what to do', async (t) => {
    const folder = tempFolder(t);
    const missing = join(folder, 'nowhere', 'jobs.db');
    await assert.rejects(openStore(missing), {
      name: 'JobError',
      message: /nowhere\/jobs\.db cannot be opened or made: .*Check that its folder exists/,
    });
    await assert.rejects(openStore(folder), { name: 'JobError' });
    if (process.getuid?.() === 0) return;
    mkdirSync(join(folder, 'closed'));
    chmodSync(join(folder, 'closed'), 0o500);
    await assert.rejects(openStore(join(folder, 'closed', 'jobs.db')), { name: 'JobError' });
  });

  test('a file that is no database is refused and left as it is', async (t) => {
    const path = join(tempFolder(t), 'jobs.db');
    writeFileSync(path, 'not a database, '.repeat(1_000));
    await assert.rejects(openStore(path), /not a database/);
    assert.equal(statSync(path).size, 16_000);
  });

  test('several processes that open a fresh file at once all succeed, and each step is applied once', async (t) => {
    const path = join(tempFolder(t), 'jobs.db');
    const scripts = Array.from({ length: 6 }, () => startScript(t, OPENER, { path, inserts: 5 }));
    const ends = await Promise.all(scripts.map(({ ended }) => ended));
    assert.deepEqual(ends, [0, 0, 0, 0, 0, 0], scripts.map((s) => s.stderr()).join('\n'));
    const found = versions(path, 'jobs');
    assert.deepEqual(
      found,
      found.map((_, index) => index + 1),
    );
  });

  test('many openings in one process, one after another and at once, leave no thread behind', async (t) => {
    const path = join(tempFolder(t), 'jobs.db');
    const stores = await Promise.all(Array.from({ length: 8 }, () => openStore(path)));
    await Promise.all(stores.map((store) => store.insert(aJob(), 0)));
    await Promise.all(stores.map((store) => store.close()));
    const db = openWriter(path, 0);
    migrate(db, []);
    assert.equal(db.prepare('SELECT count(*) AS n FROM jobs').get()?.['n'], 8);
    db.close();
  });
});
