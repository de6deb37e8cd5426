/** Each statement by itself: what the tools ask before it is not what keeps another team out. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as codes from '../../src/access-codes/statements.ts';
import { defineStatement } from '../../src/index.ts';
import { newId } from '../../src/job/ids.ts';
import { createToken } from '../../src/team/mint.ts';
import { touchToken } from '../../src/team/statements.ts';
import { batchOf, onBoth, planOf, served, type Served } from './served.ts';

type Code = { id: string; team_id: string; code_mac: Uint8Array };
const ofBatch = defineStatement<{ batch: string }, Code>({
  name: 'codes_of_batch',
  ...onBoth('SELECT id, team_id, code_mac FROM codes WHERE batch_id = :batch ORDER BY ordinal'),
});
const ownerOf = defineStatement<{ id: string }, { owner_id: string }>({
  name: 'owner_of_batch',
  ...onBoth('SELECT owner_id FROM batches WHERE id = :id'),
});
const expire = defineStatement<{ id: string; at: number }>({
  name: 'expire_code',
  ...onBoth('UPDATE codes SET expires_at = :at WHERE id = :id'),
});

const AT = 1_800_000_000_000;
const CYCLE = '2027-01';
const ALL = { limit: 100, offset: 0 };

let server: Served;
let team: string;
let owner: string;
let project: string;
let plan: string;
let batch: string;
let known: Code[];
before(async () => {
  server = await served();
  const token = await server.token({ team: 'home' });
  ({ project_id: project, plan_id: plan } = await planOf(server, token));
  const { result } = await server.batch(token, batchOf(plan, 4));
  batch = result.batch_id;
  known = await server.store.read(ofBatch, { batch });
  team = known[0]?.team_id ?? '';
  owner = (await server.store.read(ownerOf, { id: batch }))[0]?.owner_id ?? '';
  await server.store.write([codes.countRedemption({ team, cycle: CYCLE })]);
});
after(async () => server.close());

/** How much each reading statement finds. */
async function found(bounds: { team: string; scopes: string | null; owner?: string }) {
  const { store } = server;
  const { team: of, scopes, owner: whose = owner } = bounds;
  const within = { team: of, scopes };
  const page = { team: of, plan, status: 'all', at: AT };
  const code_mac = known[0]?.code_mac ?? new Uint8Array();
  // Of a code that is nobody's here there is a row without an id.
  const code = { ...within, code_mac, subscriber: 'nobody' };
  const count = async (rows: Promise<readonly object[]>) => (await rows).length;
  const total = async (rows: Promise<readonly { total: number }[]>) => (await rows)[0]?.total;
  return {
    project: await count(store.read(codes.getProject, { ...within, id: project })),
    projects: await count(store.read(codes.pageProjects, { ...within, ...ALL })),
    projectsInAll: await total(store.read(codes.countProjects, within)),
    plan: await count(store.read(codes.getPlan, { ...within, id: plan })),
    plans: await count(store.read(codes.pagePlans, { ...within, project: null, ...ALL })),
    plansInAll: await total(store.read(codes.countPlans, { ...within, project: null })),
    export: await count(store.read(codes.getExport, { ...within, id: batch, owner: whose })),
    code: (await store.read(codes.getCode, code)).filter(({ id }) => id !== '').length,
    codes: await count(store.read(codes.pageCodes, { ...page, ...ALL })),
    codesInAll: await total(store.read(codes.countCodes, page)),
    redemptions: await count(store.read(codes.getRedemptions, { team: of, cycle: CYCLE })),
  };
}

const NOTHING = {
  project: 0,
  projects: 0,
  projectsInAll: 0,
  plan: 0,
  plans: 0,
  plansInAll: 0,
  export: 0,
  code: 0,
  codes: 0,
  codesInAll: 0,
  redemptions: 0,
};
const ONE = { project: 1, projects: 1, projectsInAll: 1, plan: 1, plans: 1, plansInAll: 1 };
const WHOLE = { ...ONE, export: 1, code: 1, codes: 4, codesInAll: 4, redemptions: 1 };

test('every statement finds what its team has, and nothing of it for another team', async () => {
  assert.deepEqual(await found({ team, scopes: null }), WHOLE);
  assert.deepEqual(await found({ team: 'tem_other', scopes: null }), NOTHING);
});

test('every statement keeps to the projects of the caller', async () => {
  assert.deepEqual(await found({ team, scopes: JSON.stringify([project]) }), WHOLE);
  // Codes of a plan are read behind a look at the plan, and what a team redeems is the team's.
  const open = { codes: 4, codesInAll: 4, redemptions: 1 };
  assert.deepEqual(await found({ team, scopes: '["prj_other"]' }), { ...NOTHING, ...open });
});

test('the export of a batch is found for its owner alone', async () => {
  const others = await found({ team, scopes: null, owner: 'usr_other' });
  assert.deepEqual(others, { ...WHOLE, export: 0 });
});

test('what a team redeemed counts in the month in which it did', async () => {
  const other = await server.store.read(codes.getRedemptions, { team, cycle: '2027-02' });
  assert.deepEqual(other, []);
});

test('no statement writes into what another team has', async () => {
  const [code] = known;
  const id = code?.id ?? '';
  const cycle = { price_minor: 1, currency: 'EUR', billing_cycle: 'days' } as const;
  const writesOf = (of: string) => [
    codes.insertPlan({
      ...cycle,
      id: newId('pln'),
      team: of,
      project,
      name: `Plan of ${of}`,
      billing_cycle_count: 1,
      at: AT,
    }),
    codes.insertBatch({
      id: newId('btc'),
      team: of,
      owner,
      plan,
      quantity: 1,
      expires_at: null,
      at: AT,
      sealed: new Uint8Array([1]),
    }),
    codes.redeemCode({ id, team: of, subscriber: 'one', at: AT }),
    codes.insertSubscription({ id, team: of, subscriber: 'one', starts_at: AT, ends_at: null }),
  ];
  assert.deepEqual(await server.store.write(writesOf('tem_other')), {
    ok: true,
    changed: [0, 0, 0, 0],
  });
  assert.deepEqual(await server.store.write(writesOf(team)), { ok: true, changed: [1, 1, 1, 1] });
});

test('a code is refused from the very millisecond in which it expires', async () => {
  const id = known[1]?.id ?? '';
  await server.store.write([expire({ id, at: AT }, { expect: 1 })]);
  const redeemAt = async (at: number) =>
    (await server.store.write([codes.redeemCode({ id, team, subscriber: 'late', at })])).changed;
  const countAt = async (status: string, at: number) =>
    (await server.store.read(codes.countCodes, { team, plan, status, at }))[0]?.total;
  assert.deepEqual([await countAt('expired', AT), await countAt('expired', AT - 1)], [1, 0]);
  const left = (await countAt('unredeemed', AT - 1)) ?? 0;
  assert.equal(await countAt('unredeemed', AT), left - 1);
  assert.deepEqual(await redeemAt(AT), [0]);
  assert.deepEqual(await redeemAt(AT - 1), [1]);
  assert.deepEqual(await redeemAt(AT - 1), [0]);
});

test('a batch has each of its places once, and a code stands in one batch alone', async () => {
  const [first, second] = known;
  const rowOf = (ordinal: number, code_mac: Uint8Array) => ({
    id: newId('sub'),
    team,
    project,
    plan,
    batch,
    ordinal,
    code_mac,
    first4: 'ABCD',
    last4: 'WXYZ',
    expires_at: null,
    at: AT,
  });
  assert.ok(first && second);
  const fresh = () => crypto.getRandomValues(new Uint8Array(32));
  const conflict = { code: 'CONFLICT' };
  await assert.rejects(server.store.write([codes.insertCode([rowOf(1, fresh())])]), conflict);
  await assert.rejects(
    server.store.write([codes.insertCode([rowOf(5, first.code_mac)])]),
    conflict,
  );
  assert.equal((await server.store.read(ofBatch, { batch })).length, 4);
});

test('the use of a token is noted once in a minute, whoever saw it', async () => {
  const { id } = await createToken(server.store, { team: 'used', owner: 'ann', abilities: ['*'] });
  const noteAt = async (at: number) =>
    (await server.store.write([touchToken({ id, at, before: at - 60_000 })])).changed;
  assert.deepEqual(await noteAt(AT), [1]);
  assert.deepEqual(await noteAt(AT + 59_999), [0]);
  assert.deepEqual(await noteAt(AT + 60_000), [1]);
});
