import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { insertBatch } from '../../src/access-codes/statements.ts';
import { defineStatement } from '../../src/index.ts';
import { newId } from '../../src/job/ids.ts';
import { batchOf, planOf, served, type Served, onBoth } from './served.ts';

let server: Served;
let token: string;
let plan_id: string;
before(async () => {
  server = await served({ allotment: 1_000 });
  token = await server.token();
  ({ plan_id } = await planOf(server, token));
});
after(async () => server.close());

const age = defineStatement<{ id: string; at: number }>({
  name: 'age_batch',
  ...onBoth('UPDATE batches SET created_at = :at WHERE id = :id'),
});
const sealedOf = defineStatement<{ id: string }, { sealed: Uint8Array | null }>({
  name: 'get_sealed',
  ...onBoth('SELECT sealed FROM batches WHERE id = :id'),
});
const teamOf = defineStatement<{ id: string }, { team: string }>({
  name: 'team_of_plan',
  ...onBoth('SELECT team_id AS team FROM plans WHERE id = :id'),
});
const sealedBefore = defineStatement<{ at: number }, { count: number }>({
  name: 'count_sealed',
  ...onBoth('SELECT count(*) AS count FROM batches WHERE created_at <= :at AND sealed IS NOT NULL'),
});
const rowsIn = defineStatement<{ id: string }, { count: number }>({
  name: 'count_codes_of_batch',
  ...onBoth('SELECT count(*) AS count FROM codes WHERE batch_id = :id'),
});

test('a batch has exactly the codes that were asked for, in its file and in the database', async () => {
  const { result, codes } = await server.batch(token, batchOf(plan_id, 250));
  assert.equal(result.count, 250);
  assert.match(result.batch_id, /^btc_[0-9A-HJKMNP-TV-Z]{26}$/);
  assert.equal(codes.length, 250);
  assert.equal(new Set(codes).size, 250);
  assert.equal((await server.store.read(rowsIn, { id: result.batch_id }))[0]?.count, 250);
});

test('a submission shows what the batch might bill', async () => {
  const made = await server.data(token, 'bulk_generate_access_codes', batchOf(plan_id, 1));
  assert.match(made.job_id, /^mjb_/);
  assert.equal(made.status, 'queued');
  assert.equal(made.preview.chargeable_quantity, 0);
  assert.equal(made.preview.cost, '0.00');
});

test('a batch that might be billed needs consent, and without it there is no job', async () => {
  const poor = await served({ allotment: 5, overagePrice: '0.03' });
  try {
    const who = await poor.token();
    const plan = await planOf(poor, who);
    const wanted = batchOf(plan.plan_id, 50);
    const { structuredContent } = await poor.ask(who, 'bulk_generate_access_codes', wanted);
    assert.equal(structuredContent.error.code, 'VALIDATION_FAILED');
    assert.ok(structuredContent.error.fields.consent_to_overage);
    assert.equal(structuredContent.error.context.reason, 'overage_consent_required');
    assert.deepEqual(structuredContent.error.context.preview, {
      free_remaining: 5,
      chargeable_quantity: 45,
      cost: '1.35',
    });
    assert.deepEqual(await poor.data(who, 'list_jobs'), []);
    const { codes } = await poor.batch(who, { ...wanted, consent_to_overage: true });
    assert.equal(codes.length, 50);
  } finally {
    await poor.close();
  }
});

test('arguments are refused by name, and nothing is queued', async () => {
  const jobs = async () => (await server.data(token, 'list_jobs', { limit: 100 })).length;
  const had = await jobs();
  const wrong: [object, string][] = [
    [{ quantity: 0 }, 'quantity'],
    [{ quantity: 1_001 }, 'quantity'],
    [{ quantity: 1e9 }, 'quantity'],
    [{ quantity: 1.5 }, 'quantity'],
    [{ quantity: '50' }, 'quantity'],
    [{ export_type: 'messages' }, 'export_type'],
    [{ export_type: 'pdf' }, 'export_type'],
    [{ expiry_preset: 'never' }, 'expiry_preset'],
    [{ expiry_preset: 'custom' }, 'custom_expiry_amount'],
    [{ expiry_preset: 'custom', custom_expiry_amount: 2 }, 'custom_expiry_type'],
    [{ custom_expiry_amount: 2 }, 'custom_expiry_amount'],
    [
      { expiry_preset: 'custom', custom_expiry_amount: 1_000, custom_expiry_type: 'days' },
      'custom_expiry_amount',
    ],
    [
      { expiry_preset: 'custom', custom_expiry_amount: 999, custom_expiry_type: 'years' },
      'custom_expiry_amount',
    ],
    [{ consent_to_overage: 'yes' }, 'consent_to_overage'],
    [{ plan_id: '' }, 'plan_id'],
    [{ plan_id: 7 }, 'plan_id'],
    [{ consent: true }, 'consent'],
  ];
  for (const [more, field] of wrong) {
    const args = batchOf(plan_id, 10, more);
    const { structuredContent } = await server.ask(token, 'bulk_generate_access_codes', args);
    assert.equal(structuredContent.error.code, 'VALIDATION_FAILED', JSON.stringify(more));
    assert.ok(
      structuredContent.error.fields[field],
      JSON.stringify(structuredContent.error.fields),
    );
  }
  const unknown = batchOf('pln_01M81B9XTE8TZKF20FXGAQHJMV', 10);
  assert.equal(
    await server.refusal(token, 'bulk_generate_access_codes', unknown),
    'RESOURCE_NOT_FOUND',
  );
  assert.equal(await jobs(), had);
});

test('the operator may allow larger batches', async () => {
  const large = await served({ quantityMax: 2_500 });
  try {
    const who = await large.token();
    const plan = await planOf(large, who);
    const { codes } = await large.batch(who, batchOf(plan.plan_id, 2_500));
    assert.equal(new Set(codes).size, 2_500);
  } finally {
    await large.close();
  }
});

test('codes of a batch expire together, counted from the submission', async () => {
  const submitted = Date.now();
  const { result } = await server.batch(token, batchOf(plan_id, 3, { expiry_preset: '1_week' }));
  const [row] = await server.data(token, 'list_access_codes', { plan_id, limit: 3 });
  assert.equal(row.batch_id, result.batch_id);
  const off = Date.parse(row.expires_at) - submitted - 7 * 86_400_000;
  assert.ok(off > -1_001 && off < 5_000, `${off} ms`);
});

test('a plan that vanishes before the work leaves a refused job and no batch', async () => {
  const idle = await served({}, { inProcess: false, workers: 0 });
  try {
    const who = await idle.token();
    const gone = await planOf(idle, who);
    const off = await planOf(idle, who);
    const jobs = [];
    for (const plan of [gone, off]) {
      jobs.push(await idle.data(who, 'bulk_generate_access_codes', batchOf(plan.plan_id, 5)));
    }
    const remove = defineStatement<{ id: string }>({
      name: 'remove_plan',
      ...onBoth('DELETE FROM plans WHERE id = :id'),
    });
    const retire = defineStatement<{ id: string }>({
      name: 'retire_plan',
      ...onBoth('UPDATE plans SET active = 0 WHERE id = :id'),
    });
    await idle.store.write([remove({ id: gone.plan_id }), retire({ id: off.plan_id })]);
    await idle.work();
    for (const { job_id } of jobs) {
      const job = await idle.job(who, job_id);
      assert.equal(job.status, 'failed');
      assert.equal(job.error.code, 'EFFECT_REFUSED');
      assert.equal(job.result, null);
    }
    const all = defineStatement<Record<string, never>, { count: number }>({
      name: 'count_everything',
      ...onBoth('SELECT (SELECT count(*) FROM batches) + (SELECT count(*) FROM codes) AS count'),
    });
    assert.equal((await idle.store.read(all, {}))[0]?.count, 0);
    assert.equal(
      await idle.refusal(who, 'bulk_generate_access_codes', batchOf(off.plan_id, 5)),
      'VALIDATION_FAILED',
    );
  } finally {
    await idle.close();
  }
});

test('an export without a token is refused with the lines that fetch it', async () => {
  const { result } = await server.batch(token, batchOf(plan_id, 1));
  const response = await server.fetch(result.download_url);
  const text = await response.text();
  assert.equal(response.status, 401);
  assert.equal(response.headers.get('www-authenticate'), 'Bearer');
  assert.match(text, new RegExp(`curl .*${result.download_url}`));
  assert.match(text, new RegExp(`npx mcp-async-jobs codes export ${result.batch_id} --url`));
  const hostile = await server.fetch('/batches/%3Cscript%3E;rm%20-rf.csv');
  assert.equal(hostile.status, 401);
  assert.doesNotMatch(await hostile.text(), /script|rm -rf/);
});

test('an export is a file that no cache keeps and no browser shows', async () => {
  const { result } = await server.batch(token, batchOf(plan_id, 1));
  const { status, headers } = await server.fetch(result.download_url, token);
  assert.equal(status, 200);
  assert.equal(headers.get('content-type'), 'text/csv; charset=utf-8');
  assert.equal(headers.get('cache-control'), 'no-store');
  assert.equal(headers.get('x-content-type-options'), 'nosniff');
  assert.equal(headers.get('content-disposition'), `attachment; filename="${result.batch_id}.csv"`);
});

test('a token that may only look at masked codes cannot export them', async () => {
  const { result } = await server.batch(token, batchOf(plan_id, 1));
  const looker = await server.token({ abilities: ['mcp:full', 'project-access-code:view-any'] });
  const response = await server.fetch(result.download_url, looker);
  const { error } = (await response.json()) as { error: Record<string, unknown> };
  assert.equal(response.status, 403);
  assert.equal(error['code'], 'TOKEN_MISSING_ABILITY');
});

test('after the export window a batch cannot be exported, and its codes are wiped', async () => {
  const { result, codes } = await server.batch(token, batchOf(plan_id, 2));
  const { batch_id: id } = result;
  const open = await server.batch(token, batchOf(plan_id, 1));
  await server.store.write([age({ id, at: Date.now() - 30 * 86_400_000 - 1 })]);

  const response = await server.fetch(result.download_url, token);
  assert.equal(response.status, 410);
  const { error } = (await response.json()) as { error: Record<string, unknown> };
  assert.equal(error['code'], 'EXPORT_EXPIRED');
  assert.notEqual((await server.store.read(sealedOf, { id }))[0]?.sealed, null);

  await server.application.maintain(server.store);
  assert.equal((await server.store.read(sealedOf, { id }))[0]?.sealed, null);
  assert.equal((await server.fetch(result.download_url, token)).status, 410);
  assert.equal((await server.fetch(open.result.download_url, token)).status, 200);
  const still = { code: codes[0], subscriber_id: 'late' };
  assert.equal((await server.data(token, 'redeem_access_code', still)).plan_id, plan_id);
});

test('a server whose clock is ahead for a while wipes nothing', async (t) => {
  const { result } = await server.batch(token, batchOf(plan_id, 1));
  const wall = Date.now;
  const { mock } = t.mock.method(Date, 'now', () => wall() + 31 * 86_400_000);
  await server.application.maintain(server.store);
  mock.restore();
  assert.equal((await server.fetch(result.download_url, token)).status, 200);
});

test('however many batches are over, all of them are wiped at once', async () => {
  const { project_id } = await planOf(server, token);
  const [plan] = await server.data(token, 'list_plans', { project_id });
  const [team] = await server.store.read(teamOf, { id: plan.id });
  const long = Date.now() - 40 * 86_400_000;
  const old = Array.from({ length: 230 }, () => newId('btc'));
  for (const id of old) {
    const made = { id, team: team?.team ?? '', owner: 'usr_x', plan: String(plan.id), quantity: 1 };
    const sealed = new Uint8Array([1]);
    const batch = { ...made, expires_at: null, at: long, sealed };
    await server.store.write([insertBatch(batch, { expect: 1 }), age({ id, at: long })]);
  }
  assert.equal((await server.store.read(sealedBefore, { at: long }))[0]?.count, 230);
  await server.application.maintain(server.store);
  assert.equal((await server.store.read(sealedBefore, { at: long }))[0]?.count, 0);
});

test('worker processes are given the key and make codes that the server can find', async () => {
  const apart = await served({}, { inProcess: false, workers: 1 });
  try {
    const who = await apart.token();
    const plan = await planOf(apart, who);
    const { codes } = await apart.batch(who, batchOf(plan.plan_id, 1_000));
    assert.equal(new Set(codes).size, 1_000);
    const spent = { code: codes[999], subscriber_id: 's' };
    assert.equal((await apart.data(who, 'redeem_access_code', spent)).plan_id, plan.plan_id);
  } finally {
    await apart.close();
  }
});

test('nothing but the export shows a code', async () => {
  const { job_id, codes } = await server.batch(token, batchOf(plan_id, 100));
  await server.data(token, 'redeem_access_code', { code: codes[0], subscriber_id: 'canary' });
  await server.ask(token, 'redeem_access_code', { code: codes[0], subscriber_id: 'other' });
  await server.ask(token, 'redeem_access_code', { code: codes[1], subscriber_id: '\u0000' });
  await server.ask(token, 'redeem_access_code', { code: [codes[2]], subscriber_id: 'canary' });
  await server.data(token, 'list_access_codes', { plan_id, limit: 100 });
  await server.data(token, 'get_job_status', { job_id });
  await server.data(token, 'list_jobs');

  const places = {
    answers: server.answered.join('\n'),
    logs: server.logged.join('\n'),
    database: await server.kept(),
  };
  for (const [place, text] of Object.entries(places)) {
    assert.ok(text.length > 100, place);
    for (const code of codes) assert.ok(!text.includes(code), `a code stands in the ${place}`);
  }
});
