import assert from 'node:assert/strict';
import { constants, DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { Prepared } from '../../src/store/sqlite/connection.ts';
import { ReadBatch } from '../../src/store/sqlite/read-batch.ts';

const refused: PromiseRejectedResult['status'] = 'rejected';

function aBatch() {
  const db = new DatabaseSync(':memory:');
  const batch = new ReadBatch(db, new Prepared(db));
  const read = () => Promise.allSettled([1, 2].map((n) => batch.read('SELECT :n AS n', { n })));
  const readWell = async () => {
    const answers = await read();
    assert.deepEqual(
      answers.map((answer) => answer.status === 'fulfilled' && answer.value[0]?.['n']),
      [1, 2],
    );
  };
  return { db, read, readWell };
}

test('reads whose transaction cannot begin fail, each to its caller, and the next ones go on', async (t) => {
  const { db, read, readWell } = aBatch();
  t.after(() => db.close());
  db.exec('BEGIN');
  for (const answer of await read()) assert.equal(answer.status, refused);
  await readWell();
});

test('a transaction of reads that cannot be committed is not left open', async (t) => {
  const { db, readWell } = aBatch();
  t.after(() => db.close());
  db.setAuthorizer((action, what) =>
    action === constants.SQLITE_TRANSACTION && what === 'COMMIT'
      ? constants.SQLITE_DENY
      : constants.SQLITE_OK,
  );
  await readWell();
  assert.equal(db.isTransaction, false);
  db.setAuthorizer(null);
  await readWell();
});
