/** The statements of teams and of the access-code application, on PostgreSQL. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { wipeExpired } from '../../src/access-codes/routes.ts';
import { ACCESS_CODE_MIGRATIONS } from '../../src/access-codes/sqlite/migrations.ts';
import * as codes from '../../src/access-codes/statements.ts';
import type { Statement } from '../../src/job/effects.ts';
import { newId } from '../../src/job/ids.ts';
import { complete } from '../../src/job/transitions.ts';
import { compile } from '../../src/store/postgres/parameters.ts';
import type { Store } from '../../src/store/store.ts';
import * as team from '../../src/team/statements.ts';
import { aJobThatIs } from '../support/a-job.ts';
import { postgresStore, postgresStores, psql } from '../support/postgres.ts';
import type { Ending } from '../support/temp.ts';

const migrations = [ACCESS_CODE_MIGRATIONS];
const SCOPES = { team: 'tem_a', scopes: null };

async function withPlan(t: Ending): Promise<Store> {
  const store = await postgresStore(t, { migrations });
  await store.write([
    codes.insertProject({ id: 'prj_1', team: 'tem_a', name: 'P', at: 1 }, { expect: 1 }),
    codes.insertPlan(
      {
        id: 'pln_1',
        team: 'tem_a',
        project: 'prj_1',
        name: 'Gold',
        price_minor: 2 ** 40,
        currency: 'EUR',
        billing_cycle: 'months',
        billing_cycle_count: 1,
        at: 1,
      },
      { expect: 1 },
    ),
  ]);
  return store;
}

function aBatch(quantity: number) {
  const id = newId('btc');
  const macs = Array.from({ length: quantity }, () => new Uint8Array(randomBytes(32)));
  const rows = macs.map((code_mac, index) => ({
    id: newId('sub'),
    team: 'tem_a',
    project: 'prj_1',
    plan: 'pln_1',
    batch: id,
    ordinal: index + 1,
    code_mac,
    first4: 'ABCD',
    last4: `'"\\{`,
    expires_at: null,
    at: 5,
  }));
  const batch = codes.insertBatch(
    {
      id,
      team: 'tem_a',
      owner: 'usr_a',
      plan: 'pln_1',
      quantity,
      expires_at: null,
      at: 5,
      sealed: new Uint8Array([1, 0, 255]),
    },
    { expect: 1 },
  );
  return { id, rows, effects: [batch, codes.insertCode(rows, { expect: quantity })] };
}

test('every statement has a text for PostgreSQL that its tables understand', async (t) => {
  const { url } = await postgresStores(t, 1, { migrations });
  const statements = [...Object.values(team), ...Object.values(codes)] as unknown as Statement[];
  assert.ok(statements.length > 25);
  for (const { statement, sql } of statements) {
    assert.ok(sql.postgres !== undefined, `${statement} has no text for PostgreSQL`);
    await psql(url, `PREPARE p AS ${compile(sql.postgres).text}`).catch((error: Error) => {
      assert.fail(`${statement}: ${error.message}`);
    });
  }
});

test('a batch and its thousand codes are written with the completion, in one statement each', async (t) => {
  const store = await withPlan(t);
  const job = await aJobThatIs(store, 'running');
  const { id, rows, effects } = aBatch(1_000);
  assert.equal((await store.apply(job.id, complete(job, '{}', effects))).outcome, 'applied');
  const page = { plan: 'pln_1', team: 'tem_a', status: 'all', at: 10 };
  assert.deepEqual(await store.read(codes.countCodes, page), [{ total: 1_000 }]);
  const [newest] = await store.read(codes.pageCodes, { ...page, limit: 1, offset: 0 });
  assert.equal(newest?.batch_id, id);
  const [found] = await store.read(codes.getCode, {
    ...SCOPES,
    code_mac: rows[7]?.code_mac ?? new Uint8Array(),
    subscriber: 'x',
  });
  assert.equal(found?.id, rows[7]?.id);
  const [plan] = await store.read(codes.getPlan, { ...SCOPES, id: 'pln_1' });
  assert.deepEqual([plan?.price_minor, plan?.active], [2 ** 40, 1]);
  const [batch] = await store.read(codes.getExport, { ...SCOPES, id, owner: 'usr_a' });
  assert.deepEqual(batch?.sealed, new Uint8Array([1, 0, 255]));
});

test('a worker whose clock is behind makes no batch that is over already', async (t) => {
  const store = await withPlan(t);
  const { id, effects } = aBatch(1);
  await store.write(effects);
  await wipeExpired(store, { exportWindowMs: 60_000 });
  const [batch] = await store.read(codes.getExport, { ...SCOPES, id, owner: 'usr_a' });
  assert.deepEqual(batch?.sealed, new Uint8Array([1, 0, 255]));
});

test('a code that exists already undoes its whole batch', async (t) => {
  const store = await withPlan(t);
  const first = aBatch(3);
  await store.write(first.effects);
  const second = aBatch(3);
  const [, ...rest] = second.rows;
  const clash = { ...second.rows[0], code_mac: first.rows[2]?.code_mac } as (typeof rest)[0];
  const job = await aJobThatIs(store, 'running');
  const list = [...second.effects.slice(0, 1), codes.insertCode([...rest, clash])];
  assert.equal((await store.apply(job.id, complete(job, '{}', list))).outcome, 'failed');
  const page = { plan: 'pln_1', team: 'tem_a', status: 'unredeemed', at: 10 };
  assert.deepEqual(await store.read(codes.countCodes, page), [{ total: 3 }]);
});

test('of many who redeem a code at once one gets it', async (t) => {
  const store = await withPlan(t);
  const { rows, effects } = aBatch(1);
  await store.write(effects);
  const id = rows[0]?.id ?? '';
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, i) =>
      store.write([
        codes.redeemCode({ id, team: 'tem_a', subscriber: `s${i}`, at: 9 }, { expect: 1 }),
        codes.insertSubscription(
          { id, team: 'tem_a', subscriber: `s${i}`, starts_at: 9, ends_at: null },
          { expect: 1 },
        ),
        codes.countRedemption({ team: 'tem_a', cycle: '2026-11' }),
      ]),
    ),
  );
  assert.equal(answers.filter(({ ok }) => ok).length, 1);
  const used = await store.read(codes.getRedemptions, { team: 'tem_a', cycle: '2026-11' });
  assert.deepEqual(used, [{ count: 1 }]);
});

test('a narrowed caller finds what its projects hold and nothing else', async (t) => {
  const store = await withPlan(t);
  const ids = async (scopes: string | null) =>
    (
      await store.read(codes.pagePlans, {
        team: 'tem_a',
        scopes,
        project: null,
        limit: 9,
        offset: 0,
      })
    ).map(({ id }) => id);
  assert.deepEqual(await ids(null), ['pln_1']);
  assert.deepEqual(await ids('["prj_1"]'), ['pln_1']);
  assert.deepEqual(await ids('["prj_2"]'), []);
  assert.deepEqual(await ids('[]'), []);
});
