/** Tokens on PostgreSQL: who sees and revokes which. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { now } from '../../src/job/clock.ts';
import { allTokens, createToken, listTokens, revokeToken } from '../../src/team/mint.ts';
import { tokens } from '../../src/team/tokens.ts';
import { postgresStore } from '../support/postgres.ts';

const asked = (token: string): Request =>
  new Request('http://127.0.0.1/mcp', { headers: { authorization: `Bearer ${token}` } });

test('lists show the live tokens of one owner in one team, and the operator all of them', async (t) => {
  const store = await postgresStore(t);
  const made = [];
  for (const team of ['red', 'blue']) {
    for (const owner of ['ann', 'ben']) {
      made.push(await createToken(store, { team, owner, abilities: ['*'] }));
    }
  }
  const [mine] = made;
  assert.ok(mine);
  const ann = { team: 'red', owner: 'ann', abilities: ['*'] };
  const old = await createToken(store, { ...ann, expiresAt: now() });
  const later = await createToken(store, { ...ann, expiresAt: now() + 60_000 });
  const gone = await createToken(store, ann);
  await revokeToken(store, gone.id);
  const listed = await listTokens(store, { team: mine.team_id, owner: mine.owner_id });
  assert.deepEqual(new Set(listed.map(({ id }) => id)), new Set([mine.id, later.id]));
  const ids = async (team?: string) =>
    new Set((await allTokens(store, team === undefined ? {} : { team })).map(({ id }) => id));
  const all = [...made, old, later, gone];
  assert.deepEqual(await ids(), new Set(all.map(({ id }) => id)));
  const blue = made.filter(({ team_id }) => team_id !== mine.team_id);
  assert.deepEqual(await ids('blue'), new Set(blue.map(({ id }) => id)));
});

test('a token is revoked once, and keeps the time at which it was', async (t) => {
  const store = await postgresStore(t);
  const identify = tokens(store);
  const ann = { team: 'red', owner: 'ann', abilities: ['*'] };
  const [one, other] = [await createToken(store, ann), await createToken(store, ann)];
  const revokedAt = async () =>
    (await allTokens(store)).find(({ id }) => id === one.id)?.revoked_at;
  assert.notEqual(await identify(asked(one.token)), null);
  assert.equal(await revokeToken(store, one.id), true);
  const at = await revokedAt();
  assert.ok(typeof at === 'number');
  assert.equal(await revokeToken(store, one.id), false);
  assert.equal(await revokedAt(), at);
  assert.equal(await identify(asked(one.token)), null);
  assert.notEqual(await identify(asked(other.token)), null);
});
