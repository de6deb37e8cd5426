import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OAuthError, OAuthErrorCode, type AuthInfo } from '@modelcontextprotocol/server';
import { bearer } from './bearer.ts';

const auth: AuthInfo = {
  token: 'secret',
  clientId: 'host',
  scopes: ['things:read'],
  expiresAt: 4_000_000_000,
  extra: { iss: 'https://id.example.com', sub: 'anna', org: 'acme' },
};

const request = new Request('http://localhost/mcp', {
  headers: { authorization: 'Bearer secret' },
});
const team = ({ extra }: AuthInfo): string | null => (extra?.['org'] as string | undefined) ?? null;
const verifying = (answer: AuthInfo) => ({ verifyAccessToken: () => Promise.resolve(answer) });
const failing = (error: Error) => ({
  verifyAccessToken: async () => {
    throw error;
  },
});

test('the owner is issuer and subject, the abilities are the scopes', async () => {
  const who = await bearer(verifying(auth), { team })(request);
  assert.deepEqual(
    { ...who, token: '' },
    {
      team: 'acme',
      owner: 'https://id.example.com#anna',
      abilities: ['things:read'],
      token: '',
    },
  );
  assert.ok(!JSON.stringify(who).includes('secret'));
});

test('a token without issuer, subject, team or expiry is refused', async () => {
  const { expiresAt: _, ...eternal } = auth;
  for (const answer of [
    { ...auth, extra: { ...auth.extra, iss: undefined } },
    { ...auth, extra: { ...auth.extra, sub: '' } },
    { ...auth, extra: { ...auth.extra, org: null } },
    { ...auth, expiresAt: 1 },
    eternal,
  ]) {
    assert.equal(await bearer(verifying(answer as AuthInfo), { team })(request), null);
  }
});

test('a request without a token is refused, also where there is no HTTP', async () => {
  const identify = bearer(verifying(auth), { team });
  assert.equal(await identify(new Request('http://localhost/mcp')), null);
  assert.equal(await identify(null), null);
});

test('a verifier that refuses is a refusal, one that breaks is a fault', async () => {
  const refusal = new OAuthError(OAuthErrorCode.InvalidToken, 'no');
  assert.equal(await bearer(failing(refusal), { team })(request), null);
  await assert.rejects(async () => bearer(failing(new Error('down')), { team })(request));
});

test('a team is required', () => {
  assert.throws(() => bearer(verifying(auth), {} as never), /`team` must be a function/);
});
