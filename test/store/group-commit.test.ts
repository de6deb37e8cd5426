/** Many writes, one commit: shared by all, refused to one, withdrawn in time. */
import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, test } from 'node:test';
import { monotonic } from '../../src/job/clock.ts';
import { type JobError } from '../../src/job/errors.ts';
import { openStore } from '../../src/sqlite.ts';
import { openWriter } from '../../src/store/sqlite/connection.ts';
import { GroupCommit, type Outcome } from '../../src/store/sqlite/group-commit.ts';
import { placeOf } from '../../src/store/sqlite/place.ts';
import { aJob, who } from '../support/a-job.ts';
import { startScript } from '../support/child.ts';
import { tempFolder, tempStore, type Ending } from '../support/temp.ts';
import { insertPage, PAGES, countPages } from './suite/pages.ts';

const OPENER = new URL('./opener.ts', import.meta.url);

interface Given {
  readonly askedAt: number;
  readonly rows: number;
  readonly verb: string;
  readonly isOneStatement: boolean;
}

/** A group over a table `t` with a single column, unique; `write` adds a member that inserts it. */
function aGroup(t: Ending, beginMs = 10_000) {
  const path = join(tempFolder(t), 'x.db');
  const db = openWriter(path, 0);
  t.after(() => db.close());
  db.exec('CREATE TABLE t (text TEXT NOT NULL UNIQUE)');
  const seen = { commits: 0, fatal: 0, early: 0 };
  const group = new GroupCommit(db, {
    beginMs,
    pauseMs: 0,
    place: placeOf(path),
    onBegin: () => {},
    onCommit: () => {
      seen.commits += 1;
    },
    onFatal: () => {
      seen.fatal += 1;
    },
  });
  const insert = db.prepare('INSERT INTO t (text) VALUES (?)');
  const write = (text: string, given: Partial<Given> = {}) => {
    const { askedAt = monotonic(), rows = 0, verb = 'write', isOneStatement = false } = given;
    const answer: { outcome: Outcome | null } = { outcome: null };
    group.add({
      verb,
      askedAt,
      isOneStatement,
      effects: [{ name: 'x', sql: {}, rows: Array.from({ length: rows }, () => ({})) }],
      work: () => insert.run(text),
      settle: (outcome) => {
        answer.outcome = outcome;
        if (db.isTransaction) seen.early += 1;
      },
    });
    return answer;
  };
  const kept = () =>
    db
      .prepare('SELECT text FROM t ORDER BY rowid')
      .all()
      .map((row) => row['text']);
  return { path, db, group, write, kept, seen };
}

const codeOf = ({ outcome }: { outcome: Outcome | null }) =>
  outcome?.ok === false ? (outcome.error as JobError).code : outcome?.ok ? 'ok' : null;

describe('a group of writes', () => {
  test('what waits together is committed together', (t) => {
    const { group, write, kept, seen } = aGroup(t);
    const answers = ['a', 'b', 'c'].map((text) => write(text));
    assert.deepEqual(answers.map(codeOf), [null, null, null]);
    group.commit();
    assert.deepEqual(answers.map(codeOf), ['ok', 'ok', 'ok']);
    assert.deepEqual([kept(), seen.commits], [['a', 'b', 'c'], 1]);
  });

  test('nobody is answered before the commit, not even who failed', (t) => {
    const { group, write, seen } = aGroup(t);
    const answers = ['a', 'a', 'b'].map((text) => write(text));
    group.commit();
    assert.deepEqual(answers.map(codeOf), ['ok', 'CONFLICT', 'ok']);
    assert.equal(seen.early, 0);
  });

  test('a member that fails fails alone', (t) => {
    const { group, write, kept, seen } = aGroup(t);
    const answers = ['a', 'a', 'b'].map((text) => write(text));
    group.commit();
    assert.deepEqual(answers.map(codeOf), ['ok', 'CONFLICT', 'ok']);
    assert.deepEqual([kept(), seen.commits], [['a', 'b'], 1]);
  });

  test('a member of one statement needs no savepoint to fail alone', (t) => {
    const { group, write, kept, seen } = aGroup(t);
    const answers = ['a', 'a', 'b'].map((text) => write(text, { isOneStatement: true }));
    group.commit();
    assert.deepEqual(answers.map(codeOf), ['ok', 'CONFLICT', 'ok']);
    assert.deepEqual([kept(), seen.commits], [['a', 'b'], 1]);
  });

  test('submissions go first, and long lists one per commit', (t) => {
    const { group, write, kept, seen } = aGroup(t);
    write('long 1', { rows: 101 });
    write('long 2', { rows: 101 });
    write('short', { rows: 100 });
    write('submission', { verb: 'insert' });
    group.commit();
    assert.deepEqual(kept(), ['submission', 'long 1', 'short']);
    group.commit();
    assert.deepEqual([kept().at(-1), seen.commits, group.isIdle], ['long 2', 2, true]);
  });

  test('a commit that fails is told as unknown to all that could have been kept', (t) => {
    const { db, group, write, kept } = aGroup(t);
    // A reference that is checked at COMMIT only.
    db.exec(`CREATE TABLE parent (text TEXT NOT NULL PRIMARY KEY);
      CREATE TABLE child (text TEXT REFERENCES parent (text) DEFERRABLE INITIALLY DEFERRED);
      CREATE TRIGGER spoil AFTER INSERT ON t WHEN NEW.text = 'spoiled'
        BEGIN INSERT INTO child (text) VALUES ('nobody'); END`);
    const answers = ['a', 'a', 'spoiled', 'b'].map((text) => write(text));
    group.commit();
    const told = ['STORE_UNKNOWN', 'CONFLICT', 'STORE_UNKNOWN', 'STORE_UNKNOWN'];
    assert.deepEqual([answers.map(codeOf), kept()], [told, []]);
    const again = write('a');
    group.commit();
    assert.deepEqual([codeOf(again), kept()], ['ok', ['a']]);
  });

  test('where the file can no longer be trusted nobody is answered', (t) => {
    const { group, write, seen } = aGroup(t);
    const first = write('a');
    const broken = Object.assign(new Error('disk I/O error'), { errcode: 10 });
    group.add({
      verb: 'write',
      askedAt: monotonic(),
      isOneStatement: false,
      effects: [],
      work: () => {
        throw broken;
      },
      settle: () => assert.fail('it was answered'),
    });
    group.commit();
    assert.deepEqual([codeOf(first), seen.fatal, seen.commits], [null, 1, 0]);
  });

  test('a full disk is told to every member, and none of them was kept', (t) => {
    const { db, group, write, kept } = aGroup(t);
    const pages = Number(db.prepare('PRAGMA page_count').get()?.['page_count']);
    db.exec(`PRAGMA max_page_count = ${pages + 2}`);
    const answers = ['a', 'x'.repeat(100_000), 'b', 'c'].map((text) => write(text));
    group.commit();
    assert.deepEqual(answers.map(codeOf), ['STORE_FULL', 'STORE_FULL', 'STORE_FULL', 'STORE_FULL']);
    assert.deepEqual(kept(), []);
    db.exec('PRAGMA max_page_count = 10000');
    const again = write('d');
    group.commit();
    assert.deepEqual([codeOf(again), kept()], ['ok', ['d']]);
  });

  test('only a write that waited too long for its beginning is withdrawn', (t) => {
    const { path, group, write, kept, seen } = aGroup(t, 200);
    const other = openWriter(path, 0);
    other.exec('BEGIN IMMEDIATE');
    const late = write('late', { askedAt: monotonic() - 190 });
    const young = write('young');
    group.commit();
    assert.deepEqual([codeOf(late), codeOf(young)], ['STORE_BUSY', null]);
    other.exec('COMMIT');
    other.close();
    group.commit();
    assert.deepEqual([codeOf(young), kept(), seen.fatal], ['ok', ['young'], 0]);
  });
});

describe('writes of a store', () => {
  test('concurrent submissions share commits', async (t) => {
    const store = await tempStore(t);
    await store.insert(aJob(), 0);
    // An answer of one message of the writer is one commit: they come back in few groups.
    let groups = 0;
    let isNew = true;
    const noteAnswer = () => {
      if (isNew) groups += 1;
      isNew = false;
      setImmediate(() => {
        isNew = true;
      });
    };
    const inserts = Array.from({ length: 200 }, () =>
      store.insert(aJob(), 0).then(() => noteAnswer()),
    );
    await Promise.all(inserts);
    assert.ok(groups <= 20, `${groups} groups for 200 submissions`);
  });

  test('no commit blocks the thread that answers', async (t) => {
    const folder = tempFolder(t);
    const path = join(folder, 'jobs.db');
    const store = await openStore(path);
    t.after(() => store.close());
    const { id } = await store.insert(aJob(), 0);
    const other = openWriter(path, 0);
    other.exec('BEGIN IMMEDIATE');
    const writing = store.insert(aJob(), 0);
    const startedAt = monotonic();
    for (let i = 0; i < 20; i += 1) assert.equal((await store.get(id, who()))?.id, id);
    assert.ok(monotonic() - startedAt < 500, 'reads waited for a writer');
    other.exec('ROLLBACK');
    other.close();
    assert.equal((await writing).status, 'queued');
  });

  test('a write that cannot begin within ten seconds is withdrawn as busy, and reads go on', async (t) => {
    const path = join(tempFolder(t), 'jobs.db');
    const store = await openStore(path, { migrations: [PAGES] });
    t.after(() => store.close());
    const other = openWriter(path, 0);
    other.exec('BEGIN IMMEDIATE');
    const startedAt = monotonic();
    const refused = await Promise.allSettled([
      store.insert(aJob(), 0),
      // Asked while the writer already waits: its own ten seconds count, not the first one's.
      new Promise((resolve) => setTimeout(resolve, 2_000)).then(() =>
        store.write([insertPage({ n: 1, text: 'x' })]),
      ),
    ]);
    const tookMs = monotonic() - startedAt;
    for (const answer of refused) {
      const reason = (answer as PromiseRejectedResult).reason as JobError;
      assert.deepEqual([reason.code, reason.context['retryable']], ['STORE_BUSY', true]);
    }
    assert.ok(tookMs > 11_500 && tookMs < 13_500, `${tookMs} ms`);
    assert.deepEqual(await store.read(countPages, {}), [{ pages: 0 }]);
    other.exec('ROLLBACK');
    other.close();
    await store.write([insertPage({ n: 1, text: 'x' })]);
  });

  test('many processes that write to one file at once lose nothing', async (t) => {
    const path = join(tempFolder(t), 'jobs.db');
    const store = await openStore(path);
    t.after(() => store.close());
    const scripts = Array.from({ length: 4 }, () => startScript(t, OPENER, { path, inserts: 200 }));
    const own = await Promise.all(Array.from({ length: 200 }, () => store.insert(aJob(), 0)));
    const said = await Promise.all(scripts.map((script) => script.said('closed', 20_000)));
    const ids = [...own.map(({ id }) => id), ...said.flatMap((line) => line['ids'] as string[])];
    assert.equal(new Set(ids).size, 1_000);
    for (const id of ids) assert.ok(await store.get(id, who()), `${id} is lost`);
  });

  for (const [name, suffix] of [
    ['file', ''],
    ['log', '-wal'],
    ['index of the log', '-shm'],
  ] as const) {
    test(`nothing is answered once the ${name} of a database is gone, and what was stays`, (t) => {
      const { path, group, write, seen } = aGroup(t);
      const kept = write('kept');
      group.commit();
      renameSync(`${path}${suffix}`, `${path}.moved`);
      const late = write('late');
      group.commit();
      assert.deepEqual([codeOf(kept), late.outcome], ['ok', null]);
      assert.deepEqual([seen.commits, seen.fatal], [1, 1]);
      // What the file alone holds: its log is not brought along.
      const file = `${path}.copy`;
      copyFileSync(suffix === '' ? `${path}.moved` : path, file);
      const copy = openWriter(file, 0);
      t.after(() => copy.close());
      assert.equal(copy.prepare("SELECT text FROM t WHERE text = 'kept'").all().length, 1);
    });
  }

  test('a backup that was put over the bytes of a file in use is left as it is', (t) => {
    const { path, group, write, seen } = aGroup(t);
    write('of the backup');
    group.commit();
    const other = new DatabaseSync(path);
    other.prepare('VACUUM INTO ?').run(`${path}.backup`);
    other.close();
    write('of later');
    group.commit();
    for (const suffix of ['-wal', '-shm']) rmSync(`${path}${suffix}`);
    copyFileSync(`${path}.backup`, path);
    const late = write('late');
    group.commit();
    assert.deepEqual([late.outcome, seen], [null, { commits: 2, fatal: 1, early: 0 }]);
    assert.deepEqual(readFileSync(path), readFileSync(`${path}.backup`));
  });

  test('a file that can no longer be trusted stops the process, and nothing is answered', async (t) => {
    const path = join(tempFolder(t), 'jobs.db');
    const script = startScript(t, new URL('./spoiled-file.ts', import.meta.url), { path });
    assert.equal(await script.ended, 70, script.stderr());
    assert.deepEqual(script.lines, []);
  });
});
