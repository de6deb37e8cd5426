import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { tokens } from '../../src/http.ts';
import { defineStatement, type Store } from '../../src/index.ts';
import { openStore } from '../../src/sqlite.ts';
import { allTokens, createToken, listTokens, revokeToken } from '../../src/team/mint.ts';
import { getToken } from '../../src/team/statements.ts';
import { makeTokenText } from '../../src/team/token-text.ts';

let folder: string;
let store: Store;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tokens-'));
  store = await openStore(join(folder, 'jobs.db'));
});
after(async () => {
  await store.close();
  rmSync(folder, { recursive: true });
});

const asked = (token: string): Request =>
  new Request('http://127.0.0.1/mcp', { headers: { authorization: `Bearer ${token}` } });
const ANN = { team: 'acme', owner: 'ann', abilities: ['*'] };

test('a token says who its holder is', async () => {
  const made = await createToken(store, { ...ANN, abilities: ['mcp:full', 'project:create'] });
  assert.deepEqual(await tokens(store)(asked(made.token)), {
    team: made.team_id,
    owner: made.owner_id,
    abilities: ['mcp:full', 'project:create'],
    token: made.id,
  });
  assert.match(made.team_id, /^tem_/);
  assert.match(made.owner_id, /^usr_/);
});

test('an owner is the same in every team, and a team the same for every owner', async () => {
  const one = await createToken(store, ANN);
  const again = await createToken(store, ANN);
  const elsewhere = await createToken(store, { ...ANN, team: 'other' });
  const colleague = await createToken(store, { ...ANN, owner: 'ben' });
  assert.equal(again.owner_id, one.owner_id);
  assert.equal(again.team_id, one.team_id);
  assert.equal(elsewhere.owner_id, one.owner_id);
  assert.notEqual(elsewhere.team_id, one.team_id);
  assert.equal(colleague.team_id, one.team_id);
  assert.notEqual(colleague.owner_id, one.owner_id);
});

test('no token, another scheme, an unknown or an altered one are nobody', async () => {
  const { token, id } = await createToken(store, ANN);
  const identify = tokens(store);
  const forged = makeTokenText('live').text;
  const mixed = `mpt_live_${id}_${forged.split('_')[3]}`;
  for (const text of ['', 'x', forged, mixed, token.slice(0, -1), token.toLowerCase()]) {
    assert.equal(await identify(asked(text)), null, text);
  }
  const basic = new Request('http://127.0.0.1/', { headers: { authorization: `Basic ${token}` } });
  assert.equal(await identify(basic), null);
  assert.equal(await identify(new Request(`http://127.0.0.1/?token=${token}`)), null);
  assert.equal(await identify(null), null);
});

test('a secret that was made up for a real id is refused, checksum and all', async () => {
  const { id } = await createToken(store, ANN);
  let forged = makeTokenText('live').text;
  const { crc32 } = await import('node:zlib');
  const body = `mpt_live_${id}_${forged.split('_')[3]?.slice(0, 32)}`;
  const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
  let sum = '';
  for (let rest = crc32(body), i = 0; i < 6; i += 1, rest = Math.floor(rest / 62)) {
    sum = `${digits[rest % 62]}${sum}`;
  }
  forged = body + sum;
  assert.equal(await tokens(store)(asked(forged)), null);
});

test('an id of nobody is answered with as much as one that exists', async () => {
  const { id } = await createToken(store, ANN);
  const shapeOf = async (one: string) => {
    const [row, ...more] = await store.read(getToken, { id: one });
    const shape = Object.entries(row ?? {}).map(([name, value]) => {
      return [
        name,
        value instanceof Uint8Array ? value.length : value === null ? null : typeof value,
      ];
    });
    return { shape, more };
  };
  assert.deepEqual(await shapeOf('000000000000'), await shapeOf(id));
  assert.equal(await tokens(store)(asked(makeTokenText('live').text)), null);
});

test('a token of the other environment is refused', async () => {
  const { token } = await createToken(store, { ...ANN, environment: 'test' });
  assert.match(token, /^mpt_test_/);
  assert.equal(await tokens(store)(asked(token)), null);
  assert.notEqual(await tokens(store, { environment: 'test' })(asked(token)), null);
});

test('a revoked token is refused at the next call, also in another process', async () => {
  const { token, id } = await createToken(store, ANN);
  const other = await openStore(join(folder, 'jobs.db'));
  try {
    const [here, there] = [tokens(store), tokens(other)];
    assert.notEqual(await here(asked(token)), null);
    assert.notEqual(await there(asked(token)), null);
    assert.equal(await revokeToken(store, id), true);
    assert.equal(await here(asked(token)), null);
    assert.equal(await there(asked(token)), null);
    assert.equal(await revokeToken(store, id), false);
    assert.equal(await revokeToken(store, 'unknown'), false);
  } finally {
    await other.close();
  }
});

test('a token is refused from the moment at which it expires', async () => {
  const past = await createToken(store, { ...ANN, expiresAt: Date.now() });
  const future = await createToken(store, { ...ANN, expiresAt: Date.now() + 60_000 });
  assert.equal(await tokens(store)(asked(past.token)), null);
  assert.notEqual(await tokens(store)(asked(future.token)), null);
});

test('projects narrow a token, named apart or as abilities', async () => {
  const made = await createToken(store, {
    ...ANN,
    abilities: ['mcp:full', 'scope:project:prj_a'],
    projects: ['prj_b', 'prj_a'],
  });
  const who = await tokens(store)(asked(made.token));
  assert.deepEqual(who?.scopes, ['prj_b', 'prj_a']);
  assert.deepEqual(who?.abilities, ['mcp:full']);
});

test('the last use is noted at most once a minute, however many calls there are', async () => {
  const { token, id } = await createToken(store, ANN);
  const identify = tokens(store);
  const used = async () => (await allTokens(store)).find((one) => one.id === id)?.last_used_at;
  assert.equal(await used(), null);
  for (let i = 0; i < 20; i += 1) await identify(asked(token));
  const deadline = Date.now() + 5_000;
  while ((await used()) === null && Date.now() < deadline) await new Promise(setImmediate);
  const first = await used();
  assert.ok(typeof first === 'number' && Date.now() - first < 10_000);
  await tokens(store)(asked(token));
  await store.write([]);
  assert.equal(await used(), first);

  const age = defineStatement<{ id: string; at: number }>({
    name: 'age_token',
    sqlite: 'UPDATE tokens SET last_used_at = :at WHERE id = :id',
  });
  await store.write([age({ id, at: first - 61_000 })]);
  await tokens(store)(asked(token));
  while ((await used()) === first - 61_000 && Date.now() < deadline)
    await new Promise(setImmediate);
  assert.ok(((await used()) ?? 0) >= first);
});

test('no secret of a token is logged, at whatever level, right or wrong', async () => {
  const lines: string[] = [];
  const say = (fields: object, message = '') => {
    lines.push(JSON.stringify(fields) + message);
  };
  const log = { debug: say, info: say, warn: say, error: say };
  const fails = Object.assign(Object.create(store) as Store, {
    read: store.read.bind(store),
    write: () => Promise.reject(new Error('no')),
  });
  const identify = tokens(fails, { log });
  const right = await createToken(store, ANN);
  const revoked = await createToken(store, ANN);
  await revokeToken(store, revoked.id);
  const shown = [right.token, revoked.token, makeTokenText('live').text, `${right.token}x`];
  for (const token of shown) await identify(asked(token));
  const deadline = Date.now() + 5_000;
  while (lines.length === 0 && Date.now() < deadline) await new Promise(setImmediate);
  assert.match(lines.join(), /was not noted/);
  for (const token of shown) assert.ok(!lines.join().includes(token.split('_')[3] ?? token));
});

test('lists show the holder own live tokens without secrets, the operator all', async () => {
  const mine = await createToken(store, { ...ANN, team: 'lists', name: 'laptop' });
  const gone = await createToken(store, { ...ANN, team: 'lists' });
  const ben = await createToken(store, { ...ANN, team: 'lists', owner: 'ben' });
  const old = await createToken(store, { ...ANN, team: 'lists', expiresAt: Date.now() });
  const later = await createToken(store, { ...ANN, team: 'lists', expiresAt: Date.now() + 60_000 });
  await revokeToken(store, gone.id);
  const listed = await listTokens(store, { team: mine.team_id, owner: mine.owner_id });
  assert.deepEqual(new Set(listed.map(({ id }) => id)), new Set([mine.id, later.id]));
  assert.equal(listed.find(({ id }) => id === mine.id)?.name, 'laptop');
  const all = await allTokens(store, { team: 'lists' });
  assert.deepEqual(
    new Set(all.map(({ id }) => id)),
    new Set([mine, gone, ben, old, later].map(({ id }) => id)),
  );
  assert.notEqual(all.find(({ id }) => id === gone.id)?.revoked_at, null);
  const files = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'latin1'));
  const text = JSON.stringify([listed, all]) + files.join('\n');
  for (const { token } of [mine, gone, ben]) {
    assert.ok(!text.includes(token.split('_')[3] ?? ''), 'a secret was kept');
  }
});

test('what cannot be a token is refused by name, and nothing is made', async () => {
  const had = (await allTokens(store)).length;
  for (const [wrong, field] of [
    [{ team: '' }, 'team'],
    [{ owner: 'a\nb' }, 'owner'],
    [{ name: '\uD800' }, 'name'],
    [{ abilities: [] }, 'abilities'],
    [{ abilities: ['everything'] }, 'abilities'],
    [{ abilities: ['scope:team:tem_x'] }, 'abilities'],
    [{ projects: ['a b'] }, 'projects'],
  ] as const) {
    await assert.rejects(
      async () => createToken(store, { ...ANN, ...wrong }),
      (error: { code?: string; fields?: object }) =>
        error.code === 'VALIDATION_FAILED' && field in (error.fields ?? {}),
      JSON.stringify(wrong),
    );
  }
  assert.equal((await allTokens(store)).length, had);
});
