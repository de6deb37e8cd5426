/** Text that users set: what a spreadsheet would compute, and what speaks to a model. */
import assert from 'node:assert/strict';
import { parse } from 'csv-parse/sync';
import { test } from 'node:test';
import { toCsv } from '../../src/access-codes/csv.ts';
import { batchOf, planOf, served } from '../access-codes/served.ts';
import { aServer, call, finished, rpc } from '../http/fixture.ts';
import { DISGUISED, FORMULAS, MARK, PROMPTS, UNSEEN } from './texts.ts';

const NOBODY_SEES = /[\p{Cc}\p{Cf}\u2028\u2029]/u;
const STARTS_A_FORMULA = /^(?:\p{Cc}|[\s\p{Cf}]*[=+\-@\uff1d\uff0b\uff0d\uff20|%])/u;

/** Formulas in front of, behind and between what makes them look like something else. */
const PAYLOADS = FORMULAS.flatMap((formula) => [
  formula,
  `  ${formula}`,
  `${formula}"`,
  `"${formula}`,
  `'${formula}`,
  `${formula},${formula}`,
  `a\n${formula}`,
  `${formula};x`,
  `\u00a0${formula}`,
]);

test('no name of a plan is a formula in the exported file, and none breaks its columns', async () => {
  assert.ok(PAYLOADS.length >= 300);
  for (const plan of PAYLOADS) {
    const [header, ...rows] = parse(
      toCsv(['0123456789ABCDEF', 'FEDCBA9876543210'], { plan, expires_at: null }),
    );
    assert.deepEqual(header, ['code', 'plan', 'expires_at']);
    assert.equal(rows.length, 2, JSON.stringify(plan));
    for (const row of rows) {
      assert.equal(row.length, 3, JSON.stringify(plan));
      for (const cell of row) assert.doesNotMatch(cell, STARTS_A_FORMULA, JSON.stringify(plan));
      assert.ok(
        [plan, `'${plan}`].includes(row[1] ?? ''),
        `${JSON.stringify(plan)} became ${JSON.stringify(row[1])}`,
      );
    }
  }
});

test('what users write stays under names that say so, and nobody writes what is not seen', async (t) => {
  const server = await served({ redeemFailuresPerMinute: 0, redeemFailuresPerHour: 0 });
  t.after(() => server.close());
  const token = await server.token();
  const { project_id, plan_id } = await planOf(server, token);
  const { codes } = await server.batch(token, batchOf(plan_id, 1));
  for (const hidden of UNSEEN) {
    const text = `seen${hidden}text`;
    assert.equal(
      await server.refusal(token, 'create_project', { name: text }),
      'VALIDATION_FAILED',
      JSON.stringify(text),
    );
    assert.equal(
      await server.refusal(token, 'create_plan', { ...PLAN, project_id, name: text }),
      'VALIDATION_FAILED',
    );
    assert.equal(
      await server.refusal(token, 'redeem_access_code', { code: codes[0], subscriber_id: text }),
      'VALIDATION_FAILED',
    );
    await assert.rejects(server.token({ name: text }), { code: 'VALIDATION_FAILED' });
    await assert.rejects(server.token({ team: text }), { code: 'VALIDATION_FAILED' });
  }
  assert.ok(DISGUISED.length >= 150);
  const write = async (prompt: string, isLooked: boolean) => {
    await server.data(token, 'create_project', { name: prompt });
    const plan = await server.data(token, 'create_plan', { ...PLAN, project_id, name: prompt });
    const batch = await server.batch(token, batchOf(plan.id, 1));
    await server.data(token, 'redeem_access_code', { code: batch.codes[0], subscriber_id: prompt });
    for (const [tool, args] of [
      ['list_access_codes', { plan_id: plan.id }],
      ['get_job_status', { job_id: batch.job_id }],
      ...(isLooked ? LISTS : []),
    ] as const) {
      const { structuredContent } = await server.ask(token, tool, args);
      for (const path of placesOf(structuredContent, MARK)) {
        assert.match(path, /^data\.\d+\.(name|redeemed_by)$/, `${tool}: ${path}`);
      }
    }
  };
  const lane = async (from: number) => {
    for (let at = from; at < DISGUISED.length; at += 8) {
      await write(DISGUISED[at] ?? '', Math.floor(at / 8) % 2 === 0);
    }
  };
  await Promise.all(Array.from({ length: 8 }, (_, from) => lane(from)));
});

/** What shows the newest of everything; more of them than is written between two looks. */
const LISTS = [
  ['list_projects', { limit: 100 }],
  ['list_plans', { limit: 100 }],
  ['list_jobs', { limit: 100 }],
  ['list_tokens', {}],
] as const;
const PLAN = { price: '1.00', currency: 'USD', billing_cycle: 'days' };

test('what a handler throws reaches a caller cut and without characters that nobody sees', async (t) => {
  const long = `${UNSEEN.join('x')}${PROMPTS.join('')}${'y'.repeat(50_000)}`;
  const { url } = await aServer(t, { jobs: new URL('./throwing-jobs.ts', import.meta.url) });
  for (const how of ['refuse', 'throw', 'progress'] as const) {
    const { data } = await call(url, 'say', { text: long.toWellFormed(), how });
    const answers = [
      await finished(url, data.job_id),
      (await rpc(url, 'tasks/get', { taskId: data.job_id })).body,
    ];
    for (const answer of answers) {
      for (const text of textsOf(answer)) {
        assert.doesNotMatch(text, NOBODY_SEES, how);
        assert.ok(text.length <= 2_000, `${how}: ${text.length} characters`);
      }
    }
    // A fault tells its caller nothing; what the job itself says of its progress is its own.
    const places = placesOf(answers, MARK).filter(
      (path) => !/progress\.message$|statusMessage$/.test(path),
    );
    if (how === 'throw') assert.deepEqual(places, []);
  }
});

/** Where a text stands in an answer. */
function placesOf(value: unknown, wanted: string, path = ''): string[] {
  if (typeof value === 'string') return value.includes(wanted) ? [path.slice(1)] : [];
  if (typeof value !== 'object' || value === null) return [];
  const named = Object.keys(value).filter((key) => key.includes(wanted));
  const inside = Object.entries(value).map(([key, member]) =>
    placesOf(member, wanted, `${path}.${key}`),
  );
  return named.concat(inside.flat());
}

function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.keys(value).concat(Object.values(value).flatMap(textsOf));
}
