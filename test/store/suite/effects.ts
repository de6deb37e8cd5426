import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defineStatement, type Effect } from '../../../src/job/effects.ts';
import { JobError } from '../../../src/job/errors.ts';
import { complete, handBack } from '../../../src/job/transitions.ts';
import type { Store } from '../../../src/store/store.ts';
import { aJob, aJobThatIs, who } from '../../support/a-job.ts';
import { PAGES, countPages, insertPage, listPages, printPage } from './pages.ts';
import type { OpenStore } from './open.ts';

const pages = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => ({ n: from + i, text: `page ${from + i}` }));

async function count(store: Store): Promise<number | undefined> {
  return (await store.read(countPages, {}))[0]?.pages;
}

export function effects(open: OpenStore): void {
  const withPages: OpenStore = (t) => open(t, [PAGES]);

  test('effects are written together with the completion', async (t) => {
    const store = await withPages(t);
    const job = await aJobThatIs(store, 'running');
    const list = [insertPage(pages(1, 3), { expect: 3 }), printPage({ n: 2 }, { expect: 1 })];
    assert.equal((await store.apply(job.id, complete(job, '{}', list))).outcome, 'applied');
    assert.deepEqual(await store.read(listPages, {}), [
      { n: 1, text: 'page 1', printed: 0 },
      { n: 2, text: 'page 2', printed: 1 },
      { n: 3, text: 'page 3', printed: 0 },
    ]);
  });

  test('the effects of a run that lost its lease are not written', async (t) => {
    const store = await withPages(t);
    const job = await aJobThatIs(store, 'running');
    await store.apply(job.id, handBack(job));
    const late = await store.apply(job.id, complete(job, '{}', [insertPage(pages(1, 1))]));
    assert.equal(late.outcome, 'stale');
    assert.equal(await count(store), 0);
  });

  test('an expectation that is not met undoes the whole', async (t) => {
    const store = await withPages(t);
    const job = await aJobThatIs(store, 'running');
    const list = [insertPage(pages(1, 3)), printPage({ n: 9 }, { expect: 1 })];
    assert.deepEqual(await store.apply(job.id, complete(job, '{}', list)), {
      outcome: 'refused',
      statement: 'print_page',
      changed: 0,
    });
    assert.equal(await count(store), 0);
    assert.deepEqual(await store.get(job.id, who()), job);
  });

  test('an expectation counts all rows of its effect together', async (t) => {
    const store = await withPages(t);
    await store.write([insertPage(pages(1, 4))]);
    const rows = [{ n: 1 }, { n: 2 }, { n: 9 }];
    assert.deepEqual(await store.write([printPage(rows, { expect: 3 })]), {
      ok: false,
      changed: [2],
    });
    assert.deepEqual(await store.write([printPage(rows, { expect: 2 })]), {
      ok: true,
      changed: [2],
    });
  });

  const failing: readonly [string, () => Effect][] = [
    ['breaks a constraint', () => insertPage([...pages(1, 2), { n: 1, text: 'again' }])],
    ['names a table that is not there', () => unknownTable({ n: 1 })],
    [
      'gives a parameter that the statement does not name',
      () => insertPage({ n: 1, text: '', extra: 1 } as never),
    ],
    ['leaves out a parameter', () => insertPage({ n: 1 } as never)],
    ['has a number that is too large', () => insertPage({ n: 2n ** 70n, text: '' } as never)],
    ['has a value that cannot be bound', () => insertPage({ n: 1, text: undefined } as never)],
    ['has no text for this engine', () => ({ name: 'nothing', sql: {}, rows: [{}] })],
  ];
  for (const [what, effect] of failing) {
    test(`a statement that ${what} fails, is named, and undoes the whole`, async (t) => {
      const store = await withPages(t);
      const job = await aJobThatIs(store, 'running');
      const list = [insertPage(pages(7, 8)), effect()];
      const answer = await store.apply(job.id, complete(job, '{}', list));
      assert.equal(answer.outcome, 'failed');
      assert.equal((answer as { statement: string }).statement, effect().name);
      assert.ok((answer as { message: string }).message.length > 0);
      assert.equal(await count(store), 0);
      assert.deepEqual(await store.get(job.id, who()), job);
      await assert.rejects(store.write(list));
      assert.equal(await count(store), 0);
    });
  }

  test('a value that cannot even be sent is refused, and the store goes on', async (t) => {
    const store = await withPages(t);
    const job = await aJobThatIs(store, 'running');
    const list = [insertPage({ n: 1, text: () => 'later' } as never)];
    await assert.rejects(store.write(list));
    await assert.rejects(store.apply(job.id, complete(job, '{}', list)));
    const [inserted] = await Promise.allSettled([
      store.insert(aJob(), 0),
      store.write(list),
      store.write([insertPage(pages(1, 1))]),
    ]);
    assert.equal(inserted.status, 'fulfilled');
    assert.equal(await count(store), 1);
  });

  test('a write is all or none', async (t) => {
    const store = await withPages(t);
    await assert.rejects(
      store.write([insertPage(pages(1, 2)), insertPage(pages(2, 3))]),
      (error) => {
        assert.ok(error instanceof JobError);
        assert.equal(error.code, 'CONFLICT');
        assert.match((error.cause as Error).message, /unique/i);
        return true;
      },
    );
    assert.equal(await count(store), 0);
    assert.deepEqual(await store.write([insertPage(pages(1, 2))], { expect: 3 }), {
      ok: false,
      changed: [2],
    });
    assert.deepEqual(await store.write([insertPage(pages(1, 2))], { expect: 1 }), {
      ok: false,
      changed: [2],
    });
    assert.equal(await count(store), 0);
    assert.deepEqual(await store.write([insertPage(pages(1, 2))], { expect: 2 }), {
      ok: true,
      changed: [2],
    });
    assert.equal(await count(store), 2);
  });

  test('nothing of a completion is visible before all of it is', async (t) => {
    const store = await withPages(t);
    const job = await aJobThatIs(store, 'running');
    const over = new AbortController();
    const applying = store
      .apply(job.id, complete(job, '{}', [insertPage(pages(1, 2_000))]))
      .finally(() => over.abort());
    while (!over.signal.aborted) {
      const before = (await store.get(job.id, who()))?.status;
      const seen = await count(store);
      const after = (await store.get(job.id, who()))?.status;
      if (after === 'running') assert.equal(seen, 0);
      if (before === 'completed') assert.equal(seen, 2_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal((await applying).outcome, 'applied');
    assert.equal(await count(store), 2_000);
  });

  test('a read sees every write that was acknowledged before, heavy or not', async (t) => {
    const store = await withPages(t);
    for (let n = 1; n <= 20; n += 1) {
      await store.write([insertPage({ n, text: 'x' })]);
      assert.equal(await count(store), n);
      assert.equal((await store.read(countPagesHeavily, {}))[0]?.pages, n);
    }
  });

  test('rows are plain objects with the types of their columns', async (t) => {
    const store = await withPages(t);
    const [row] = await store.read(oneOfEach, { yes: true, bytes: new Uint8Array([1, 2]) });
    assert.ok(row?.['bytes'] instanceof Uint8Array);
    assert.deepEqual(
      { ...row, bytes: [...row['bytes']] },
      {
        whole: 7,
        text: 'a',
        empty: null,
        yes: 1,
        bytes: [1, 2],
      },
    );
    assert.equal(Object.getPrototypeOf(row), Object.prototype);
  });

  test('a failing read is an error and does no harm', async (t) => {
    const store = await withPages(t);
    await assert.rejects(store.read(unknownTable, { n: 1 }));
    await assert.rejects(store.read(readUnknownHeavily, {}));
    await assert.rejects(store.read(insertPage, { n: 1, text: 'a read cannot write' }));
    assert.equal(await count(store), 0);
  });
}

const text = 'SELECT count(*) AS pages FROM pages';
const countPagesHeavily = defineStatement<Record<string, never>, { pages: number }>({
  name: 'count_pages_heavily',
  sqlite: text,
  postgres: text,
  heavy: true,
});
const unknownTable = defineStatement<{ n: number }>({
  name: 'unknown_table',
  sqlite: 'INSERT INTO unknown (n) VALUES (:n)',
  postgres: 'INSERT INTO unknown (n) VALUES (:n)',
});
const readUnknownHeavily = defineStatement<Record<string, never>>({
  name: 'read_unknown',
  sqlite: 'SELECT * FROM unknown',
  postgres: 'SELECT * FROM unknown',
  heavy: true,
});
const oneOfEach = defineStatement<{ yes: boolean; bytes: Uint8Array }>({
  name: 'one_of_each',
  sqlite: `SELECT 7 AS whole, 'a' AS text, NULL AS empty, :yes AS yes, :bytes AS bytes`,
  postgres: `SELECT 7 AS whole, 'a' AS text, CAST(NULL AS text) AS empty,
    CAST(:yes AS integer) AS yes, CAST(:bytes AS bytea) AS bytes`,
});
