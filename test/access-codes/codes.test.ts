import assert from 'node:assert/strict';
import { createSecretKey, randomBytes, type KeyObject } from 'node:crypto';
import { test } from 'node:test';
import { macOf, makeCodes, maskOf, normaliseCode } from '../../src/access-codes/codes.ts';
import { seal, unseal } from '../../src/access-codes/seal.ts';

const aKey = (): KeyObject => createSecretKey(randomBytes(32));

test('codes are 16 Crockford characters, all different', () => {
  const codes = makeCodes(2_000);
  assert.equal(new Set(codes).size, 2_000);
  for (const code of codes) assert.match(code, /^[0-9A-HJKMNP-TV-Z]{16}$/);
});

test('every character is as likely as any other, at every place', () => {
  const codes = makeCodes(16_000);
  for (let place = 0; place < 16; place += 1) {
    const counts = new Map<string, number>();
    for (const code of codes)
      counts.set(code[place] ?? '', (counts.get(code[place] ?? '') ?? 0) + 1);
    // Chi-squared with 31 degrees of freedom; beyond 90 lies less than one in a million.
    let chi = 0;
    for (const count of counts.values()) chi += (count - 500) ** 2 / 500;
    assert.equal(counts.size, 32);
    assert.ok(chi < 90, `place ${place}: ${chi}`);
  }
});

test('a code may be typed in lower case, with hyphens and spaces, and with look-alikes', () => {
  assert.equal(normaliseCode('ABCD-EFGH-JKMN-PQ01'), 'ABCDEFGHJKMNPQ01');
  assert.equal(normaliseCode('abcd efgh jkmn pqoi'), 'ABCDEFGHJKMNPQ01');
  assert.equal(normaliseCode('abcdefghjkmnpqOL'), 'ABCDEFGHJKMNPQ01');
});

test('what cannot be a code normalises to nothing', () => {
  for (const wrong of [
    '',
    'ABCD',
    'ABCDEFGHJKMNPQ011',
    'UUUUUUUUUUUUUUUU',
    'ßBCDEFGHJKMNPQ0',
    'ABCDEFGHJKMNPQ0\u{0}',
    'ABCDEFGHJKMNPQ\uD800',
    '-'.repeat(10_000),
  ]) {
    assert.equal(normaliseCode(wrong), null, JSON.stringify(wrong.slice(0, 40)));
  }
});

test('the mask shows four characters at each end and always four asterisks', () => {
  assert.equal(maskOf({ first4: 'A3F1', last4: '7Z9P' }), 'A3F1****7Z9P');
});

test('the digest of a code depends on the key', () => {
  const code = 'ABCDEFGHJKMNPQ01';
  const [one, two] = [aKey(), aKey()];
  assert.deepEqual(macOf(code, one), macOf(code, one));
  assert.notDeepEqual(macOf(code, one), macOf(code, two));
  assert.equal(macOf(code, one).length, 32);
});

test('sealed codes open with the same key, team and batch, and with nothing else', () => {
  const key = aKey();
  const context = { key, team: 'tem_a', batch: 'btc_a' };
  const codes = makeCodes(1_000);
  const sealed = seal(codes, context);
  assert.deepEqual(unseal(sealed, context), codes);
  assert.equal(Buffer.from(sealed).includes(codes[0] ?? ''), false);
  assert.throws(() => unseal(sealed, { ...context, team: 'tem_b' }));
  assert.throws(() => unseal(sealed, { ...context, batch: 'btc_b' }));
  assert.throws(() => unseal(sealed, { ...context, key: aKey() }));
  const altered = Uint8Array.from(sealed);
  altered[40] = (altered[40] ?? 0) ^ 1;
  assert.throws(() => unseal(altered, context));
});

test('every character of a code is drawn for itself, in a batch of one too', () => {
  for (let i = 0; i < 50; i += 1) {
    const [code = ''] = makeCodes(1);
    assert.ok(new Set(code).size >= 5, code);
  }
});

test('what was typed may be 64 characters long, with everything between the code', () => {
  const spaced = (length: number) => 'ABCDEFGHJKMNPQ01'.padEnd(length, ' ');
  assert.equal(normaliseCode(spaced(64)), 'ABCDEFGHJKMNPQ01');
  assert.equal(normaliseCode(spaced(65)), null);
});
