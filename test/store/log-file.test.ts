import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, test } from 'node:test';
import { brokenLog } from '../../src/store/sqlite/log-file.ts';
import { tempFolder, type Ending } from '../support/temp.ts';

const HEADER = 32;
const FRAME = 4_096 + 24;

/** A database whose log has at least nine frames, before them those of an earlier round. */
function aLog(t: Ending): string {
  const path = join(tempFolder(t), 'x.db');
  const db = new DatabaseSync(path);
  t.after(() => db.close());
  db.exec('PRAGMA journal_mode = WAL; PRAGMA page_size = 4096; CREATE TABLE t (x TEXT)');
  const insert = db.prepare('INSERT INTO t VALUES (?)');
  for (let i = 0; i < 20; i += 1) insert.run('x'.repeat(3_000));
  db.exec('PRAGMA wal_checkpoint(FULL)');
  for (let i = 0; i < 3; i += 1) insert.run('y'.repeat(3_000));
  const copy = `${path}.copy`;
  copyFileSync(path, copy);
  copyFileSync(`${path}-wal`, `${copy}-wal`);
  return copy;
}

function flip(path: string, at: number): void {
  const log = readFileSync(`${path}-wal`);
  log[at] = (log[at] ?? 0) ^ 4;
  writeFileSync(`${path}-wal`, log);
}

describe('the log of a file', () => {
  test('is whole as it was written, with the frames of an earlier round behind it', (t) => {
    assert.equal(brokenLog(aLog(t)), null);
  });

  for (const [where, at] of [
    ['page', HEADER + 24 + 1_000],
    ['header', HEADER + 2],
    ['salt', HEADER + 9],
  ] as const) {
    test(`breaks off at a frame whose ${where} has changed, where SQLite stops reading`, (t) => {
      const path = aLog(t);
      flip(path, at);
      const broken = brokenLog(path);
      assert.equal(broken?.frame, 1);
      assert.ok((broken?.behind ?? 0) > 0);
    });
  }

  test('is not read at all when its header has changed', (t) => {
    const path = aLog(t);
    flip(path, 17);
    assert.equal(brokenLog(path)?.frame, 0);
  });

  test('that ends in the middle of a frame is what a power cut leaves', (t) => {
    const path = aLog(t);
    truncateSync(`${path}-wal`, HEADER + FRAME + 100);
    assert.equal(brokenLog(path), null);
  });
});
