/** A text in one row that a disk has changed: it is that row's trouble, and nobody else's. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, test, type TestContext } from 'node:test';
import { openStore } from '../../src/sqlite.ts';
import { handBack } from '../../src/job/transitions.ts';
import { aJob, aJobThatIs, applied, claim, who } from '../support/a-job.ts';
import { tempFolder } from '../support/temp.ts';

async function aStore(t: TestContext) {
  const path = join(tempFolder(t), 'jobs.db');
  const store = await openStore(path);
  t.after(() => store.close());
  const spoil = (table: string, column: string, id: string): void => {
    const db = new DatabaseSync(path);
    // A final row never changes, but by accident.
    db.exec('DROP TRIGGER IF EXISTS jobs_final_is_final');
    db.prepare(`UPDATE ${table} SET ${column} = '{"a' WHERE id = ?`).run(id);
    db.close();
  };
  return { store, spoil };
}

describe('a spoiled row', () => {
  for (const column of ['progress', 'answers']) {
    test(`a queued job with spoiled ${column} is claimed, and so are those behind it`, async (t) => {
      const { store, spoil } = await aStore(t);
      const running = await aJobThatIs(store, 'running', { tool: 'print' });
      const { id } = await applied(store, running, handBack(running));
      spoil('jobs', column, id);
      const next = await store.insert(aJob(), 0);
      const { jobs } = await claim(store);
      assert.deepEqual(jobs.map((job) => job.id).toSorted(), [id, next.id].toSorted());
    });
  }

  test('a running job with spoiled progress is taken back, and the sweep goes on', async (t) => {
    const { store, spoil } = await aStore(t);
    const first = await aJobThatIs(store, 'running');
    const second = await aJobThatIs(store, 'running');
    spoil('jobs', 'progress', first.id);
    const { moved } = await store.sweep({
      retentionMs: 1e12,
      toolMissingMs: 1e12,
      isRestored: true,
    });
    assert.deepEqual(moved.toSorted(), [first.id, second.id].toSorted());
  });

  test('a spoiled worker does not stop the sweep', async (t) => {
    const { store, spoil } = await aStore(t);
    const identity = { id: 'wrk_1', process: 'p', supervisor: 'p', tools: ['print'] };
    await store.beat(identity);
    spoil('workers', 'tools', 'wrk_1');
    const job = await aJobThatIs(store, 'running');
    const { moved } = await store.sweep({
      retentionMs: 1e12,
      toolMissingMs: 1e12,
      isRestored: true,
    });
    assert.deepEqual(moved, [job.id]);
  });

  test('a waiting job with spoiled questions can be answered, and asks again', async (t) => {
    const { store, spoil } = await aStore(t);
    const { id } = await aJobThatIs(store, 'waiting');
    spoil('jobs', 'questions', id);
    const answered = await store.answer(id, who(), { size: 3 });
    assert.deepEqual(answered, { outcome: 'applied', status: 'queued' });
  });

  test('a list with a failed job whose error is spoiled is shown, and that one says so', async (t) => {
    const { store, spoil } = await aStore(t);
    const failed = await aJobThatIs(store, 'failed');
    const other = await aJobThatIs(store, 'completed');
    spoil('jobs', 'error', failed.id);
    const listed = await store.list({
      who: who(),
      status: null,
      tool: null,
      before: null,
      limit: 10,
    });
    assert.deepEqual(listed.map(({ id }) => id).toSorted(), [failed.id, other.id].toSorted());
    const error = (await store.get(failed.id, who()))?.error;
    assert.equal(error?.code, 'INTERNAL_ERROR');
    assert.match(error?.message ?? '', /cannot be read/);
  });
});
