import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { defineStatement } from '../../src/index.ts';
import { batchOf, ONE_PLAN, planOf, served, type Served, onBoth } from './served.ts';

let server: Served;
let token: string;
before(async () => {
  server = await served();
  token = await server.token();
});
after(async () => server.close());

const counts = defineStatement<Record<string, never>, { all: number }>({
  name: 'count_rows',
  ...onBoth(`SELECT (SELECT count(*) FROM projects) + (SELECT count(*) FROM plans)
    + (SELECT count(*) FROM batches) + (SELECT count(*) FROM codes)
    + (SELECT count(*) FROM subscriptions) + (SELECT count(*) FROM jobs) AS "all"`),
});
const rows = async () => (await server.store.read(counts, {}))[0]?.all;

test('a project and a plan answer with what was made', async () => {
  const project = await server.data(token, 'create_project', { name: 'Chess club' });
  assert.match(project.id, /^prj_[0-9A-HJKMNP-TV-Z]{26}$/);
  assert.equal(project.name, 'Chess club');
  assert.match(project.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  const plan = await server.data(token, 'create_plan', { project_id: project.id, ...ONE_PLAN });
  assert.match(plan.id, /^pln_[0-9A-HJKMNP-TV-Z]{26}$/);
  assert.equal(plan.price, '29.00');
  assert.equal(plan.active, true);
  const [listed] = await server.data(token, 'list_plans', { project_id: project.id });
  assert.deepEqual(listed, plan);
});

test('the text of an answer is the JSON of its structured content', async () => {
  for (const [tool, args] of [
    ['list_projects', {}],
    ['list_plans', { page: 0 }],
  ] as const) {
    const { content, structuredContent } = await server.ask(token, tool, args);
    assert.equal(content.length, 1);
    assert.deepEqual(JSON.parse(content[0]?.text ?? ''), structuredContent);
  }
});

test('a plan name is taken once in a project, and free in another', async () => {
  const { project_id } = await planOf(server, token, { name: 'Unique' });
  const again = { ...ONE_PLAN, project_id, name: 'Unique' };
  const { structuredContent } = await server.ask(token, 'create_plan', again);
  assert.equal(structuredContent.error.code, 'VALIDATION_FAILED');
  assert.ok(structuredContent.error.fields.name);
  await planOf(server, token, { name: 'Unique' });
});

test('pages are disjoint, newest first, and say how many there are', async () => {
  const who = await server.token({ team: 'pages' });
  for (let i = 0; i < 5; i += 1) await server.data(who, 'create_project', { name: `P${i}` });
  const page = async (number: number) =>
    (await server.ask(who, 'list_projects', { page: number, limit: 2 })).structuredContent;
  const [one, two, three, four] = [await page(1), await page(2), await page(3), await page(4)];
  const names = [one, two, three].flatMap(({ data }) =>
    data.map((row: { name: string }) => row.name),
  );
  assert.deepEqual(names, ['P4', 'P3', 'P2', 'P1', 'P0']);
  assert.deepEqual(one.meta, { page: 1, limit: 2, total: 5, has_more: true });
  assert.deepEqual(three.meta, { page: 3, limit: 2, total: 5, has_more: false });
  assert.deepEqual(four, { data: [], meta: { page: 4, limit: 2, total: 5, has_more: false } });
});

test('the filters of codes are disjoint and add up, and codes are masked', async () => {
  const { plan_id } = await planOf(server, token);
  const { codes } = await server.batch(token, batchOf(plan_id, 5));
  const expire = defineStatement<{ first4: string; last4: string }>({
    name: 'expire_one',
    ...onBoth('UPDATE codes SET expires_at = 1 WHERE first4 = :first4 AND last4 = :last4'),
  });
  const [used = '', old = ''] = codes;
  await server.data(token, 'redeem_access_code', { code: used, subscriber_id: 's' });
  await server.store.write([expire({ first4: old.slice(0, 4), last4: old.slice(-4) })]);
  const list = async (status?: string) => {
    const args = { plan_id, ...(status !== undefined && { status }) };
    return (await server.ask(token, 'list_access_codes', args)).structuredContent;
  };
  const total = async (status?: string) => (await list(status)).meta.total;
  assert.deepEqual(
    [await total('unredeemed'), await total('redeemed'), await total('expired'), await total()],
    [3, 1, 1, 5],
  );
  const all = await list();
  assert.equal(all.meta.status, 'all');
  assert.equal(all.meta.limit, 25);
  for (const row of all.data) assert.match(row.code_masked, /^[0-9A-Z]{4}\*{4}[0-9A-Z]{4}$/);
  const { data } = await list('redeemed');
  assert.equal(data[0].code_masked, `${used.slice(0, 4)}****${used.slice(-4)}`);
});

test('hostile arguments get a clear error and change nothing', async () => {
  const { project_id, plan_id } = await planOf(server, token);
  const valid: Record<string, Record<string, unknown>> = {
    list_projects: { page: 1 },
    create_project: { name: 'Fine' },
    list_plans: { project_id },
    create_plan: { project_id, ...ONE_PLAN, name: 'Other' },
    list_access_codes: { plan_id, status: 'all' },
    preview_access_code_cost: { plan_id, quantity: 1 },
    redeem_access_code: { code: 'ABCDEFGHJKMNPQ01', subscriber_id: 's' },
    list_tokens: {},
    bulk_generate_access_codes: batchOf(plan_id, 1) as Record<string, unknown>,
  };
  const texts = [
    '\uD800',
    'a\u0000b',
    'a\u202Eb',
    'x'.repeat(100_000),
    '',
    ' ',
    "'; DROP TABLE plans; --",
  ];
  const values = [...texts, null, 0, -1, 1.5, 1e308, true, [], {}, [[]], { $gt: '' }];
  const had = await rows();
  for (const [tool, args] of Object.entries(valid)) {
    const hostile: object[] = [
      { ...args, unknown_field: 1 },
      JSON.parse(`{ "__proto__": { "admin": true }, "constructor": 1 }`) as object,
    ];
    for (const key of Object.keys(args)) {
      for (const value of values) {
        if (!isFine(key, value)) hostile.push({ ...args, [key]: value });
      }
    }
    for (const one of hostile) {
      const { isError, structuredContent } = await server.ask(token, tool, one);
      const shown = `${tool} ${JSON.stringify(one).slice(0, 200)}`;
      assert.equal(isError, true, shown);
      assert.match(
        structuredContent.error.code,
        /^(VALIDATION_FAILED|RESOURCE_NOT_FOUND|RATE_LIMITED)$/,
        shown,
      );
      assert.ok(JSON.stringify(structuredContent).length < 6_000, shown);
    }
  }
  assert.equal(await rows(), had);
});

/** What looks hostile and is a good value all the same. */
function isFine(key: string, value: unknown): boolean {
  if (['name', 'subscriber_id'].includes(key)) {
    return typeof value === 'string' && value.startsWith("'; DROP");
  }
  // A list of the plans of a project that is not there is empty.
  if (key === 'project_id') return typeof value === 'string' && value !== '';
  return key === 'consent_to_overage' && typeof value === 'boolean';
}
