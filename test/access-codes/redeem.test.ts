import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { getCode } from '../../src/access-codes/statements.ts';
import { defineStatement } from '../../src/index.ts';
import { batchOf, planOf, served, type Served, onBoth } from './served.ts';

let server: Served;
let token: string;
let plan_id: string;
before(async () => {
  server = await served();
  token = await server.token();
  ({ plan_id } = await planOf(server, token));
});
after(async () => server.close());

const codesOf = async (quantity: number, more: object = {}): Promise<readonly string[]> =>
  (await server.batch(token, batchOf(plan_id, quantity, more))).codes;

const counted = defineStatement<{ of: string }, { count: number }>({
  name: 'count_subscriptions',
  ...onBoth('SELECT count(*) AS count FROM subscriptions WHERE subscriber_id LIKE :of'),
});
const expireAll = defineStatement<{ at: number; code: string }>({
  name: 'expire_codes',
  ...onBoth('UPDATE codes SET expires_at = :at WHERE first4 || last4 = :code'),
});

const macsOf = defineStatement<{ code: string }, { team: string; code_mac: Uint8Array }>({
  name: 'macs_of',
  ...onBoth('SELECT team_id AS team, code_mac FROM codes WHERE first4 || last4 = :code'),
});

test('of a code that somebody else has used no more is read than of no code', async () => {
  const [code = ''] = await codesOf(1);
  await server.data(token, 'redeem_access_code', { code, subscriber_id: 'one' });
  const [kept] = await server.store.read(macsOf, { code: code.slice(0, 4) + code.slice(-4) });
  assert.ok(kept);
  const filled = async (code_mac: Uint8Array) => {
    const asked = { team: kept.team, scopes: null, code_mac, subscriber: 'two' };
    const rows = await server.store.read(getCode, asked);
    return rows.map((row) =>
      Object.entries(row).flatMap(([name, of]) => (of === null ? [] : name)),
    );
  };
  const [nobodys, ...more] = await filled(new Uint8Array(32));
  assert.deepEqual(nobodys, ['id', 'plan_id', 'redeemed_by']);
  assert.deepEqual(more, []);
  const used = ['id', 'plan_id', 'redeemed_at', 'redeemed_by'];
  assert.deepEqual(await filled(kept.code_mac), [used]);
});

test('a redeemed code is a subscription for the cycles of its plan', async () => {
  const [code] = await codesOf(1);
  const got = await server.data(token, 'redeem_access_code', { code, subscriber_id: 'one' });
  assert.match(got.subscription_id, /^sub_[0-9A-HJKMNP-TV-Z]{26}$/);
  assert.equal(got.plan_id, plan_id);
  assert.equal(got.subscriber_id, 'one');
  const days = (Date.parse(got.ends_at) - Date.parse(got.starts_at)) / 86_400_000;
  assert.ok(days >= 28 && days <= 31, `${days} days`);
  const rows = await server.data(token, 'list_access_codes', { plan_id, status: 'redeemed' });
  assert.equal(rows[0].id, got.subscription_id);
  assert.equal(rows[0].redeemed_by, 'one');
});

test('a lifetime plan gives a subscription without an end', async () => {
  const { plan_id: forEver } = await planOf(server, token, { billing_cycle: 'lifetime' });
  const { codes } = await server.batch(token, batchOf(forEver, 1));
  const got = await server.data(token, 'redeem_access_code', {
    code: codes[0],
    subscriber_id: 'l',
  });
  assert.equal(got.ends_at, null);
});

test('of 50 subscribers who redeem one code at once, exactly one gets it', async () => {
  const [code] = await codesOf(1);
  const answers = await Promise.all(
    Array.from({ length: 50 }, async (_, i) =>
      server.ask(token, 'redeem_access_code', { code, subscriber_id: `race-${i}` }),
    ),
  );
  const won = answers.filter(({ isError }) => isError !== true);
  assert.equal(won.length, 1);
  for (const { structuredContent } of answers.filter(({ isError }) => isError === true)) {
    assert.equal(structuredContent.error.code, 'RESOURCE_NOT_FOUND');
  }
  const [row] = await server.store.read(counted, { of: 'race-%' });
  assert.equal(row?.count, 1);
});

test('one subscriber who redeems a code 50 times at once gets one subscription and one answer', async () => {
  const [code] = await codesOf(1);
  const args = { code, subscriber_id: 'same' };
  const answers = await Promise.all(
    Array.from({ length: 50 }, async () => server.data(token, 'redeem_access_code', args)),
  );
  for (const answer of answers) assert.deepEqual(answer, answers[0]);
  const [row] = await server.store.read(counted, { of: 'same' });
  assert.equal(row?.count, 1);
});

test('every code of a batch is redeemed once, and the next preview counts them', async () => {
  const preview = async () => {
    const args = { plan_id, quantity: 1 };
    return (await server.data(token, 'preview_access_code_cost', args)).preview.free_remaining;
  };
  const free = await preview();
  const codes = await codesOf(40);
  const answers = await Promise.all(
    codes.map(async (code) =>
      server.data(token, 'redeem_access_code', { code, subscriber_id: 'many' }),
    ),
  );
  assert.equal(new Set(answers.map((answer) => answer.subscription_id)).size, 40);
  assert.equal(await preview(), free - 40);
});

test('unknown, foreign, used and expired codes are answered alike', async () => {
  const [used = '', expired = '', foreign = ''] = await codesOf(3);
  await server.data(token, 'redeem_access_code', { code: used, subscriber_id: 'first' });
  await server.store.write([
    expireAll({ at: Date.now() - 1, code: expired.slice(0, 4) + expired.slice(-4) }, { expect: 1 }),
  ]);
  const stranger = await server.token({ team: 'other', owner: 'bob' });
  const asked: [string, string][] = [
    [token, 'ABCDEFGHJKMNPQ01'],
    [token, 'not a code'],
    [token, used],
    [token, expired],
    [stranger, foreign],
  ];
  const answers = [];
  for (const [who, code] of asked) {
    const { structuredContent } = await server.ask(who, 'redeem_access_code', {
      code,
      subscriber_id: 'second',
    });
    assert.match(structuredContent.error.request_id, /^req_/);
    answers.push({ ...structuredContent.error, request_id: '' });
  }
  for (const answer of answers) assert.deepEqual(answer, answers[0]);
  assert.equal(answers[0].code, 'RESOURCE_NOT_FOUND');
  const again = await server.data(token, 'redeem_access_code', {
    code: foreign,
    subscriber_id: 'second',
  });
  assert.equal(again.subscriber_id, 'second');
});

test('a code that was redeemed is told to no other team, not even with its subscriber', async () => {
  const [code] = await codesOf(1);
  const args = { code, subscriber_id: 'ours' };
  await server.data(token, 'redeem_access_code', args);
  const stranger = await server.token({ team: 'another', owner: 'eve' });
  assert.equal(await server.refusal(stranger, 'redeem_access_code', args), 'RESOURCE_NOT_FOUND');
});

test('an expired code that was redeemed in time still gives its subscriber the same answer', async () => {
  const [code = ''] = await codesOf(1, { expiry_preset: '1_day' });
  const args = { code, subscriber_id: 'early' };
  const first = await server.data(token, 'redeem_access_code', args);
  await server.store.write([
    expireAll({ at: Date.now() - 1, code: code.slice(0, 4) + code.slice(-4) }),
  ]);
  assert.deepEqual(await server.data(token, 'redeem_access_code', args), first);
});

test('too many wrong codes make a token wait, and its team after more of them', async () => {
  const limited = await served({ redeemFailuresPerMinute: 3, redeemFailuresPerHour: 5 });
  try {
    const [one, two, elsewhere] = await Promise.all([
      limited.token(),
      limited.token({ owner: 'ben' }),
      limited.token({ team: 'other' }),
    ]);
    const right = await planOf(limited, one);
    const { codes } = await limited.batch(one, batchOf(right.plan_id, 1));
    const guess = { code: 'ABCDEFGHJKMNPQ01', subscriber_id: 'x' };
    const guesses = async (who: string, times: number) => {
      for (let i = 0; i < times; i += 1) {
        assert.equal(await limited.refusal(who, 'redeem_access_code', guess), 'RESOURCE_NOT_FOUND');
      }
    };
    await guesses(one, 3);
    const { structuredContent } = await limited.ask(one, 'redeem_access_code', {
      code: codes[0],
      subscriber_id: 'x',
    });
    assert.equal(structuredContent.error.code, 'RATE_LIMITED');
    const wait = structuredContent.error.context.retry_after_seconds;
    assert.ok(wait >= 1 && wait <= 60, `${wait} s`);

    await guesses(two, 2);
    assert.equal(await limited.refusal(two, 'redeem_access_code', guess), 'RATE_LIMITED');
    await guesses(elsewhere, 1);
  } finally {
    await limited.close();
  }
});
