import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf, makeTokenText, parseTokenText } from '../../src/team/token-text.ts';

test('a token names its environment and id, and parses back', () => {
  for (const environment of ['live', 'test'] as const) {
    const { id, text } = makeTokenText(environment);
    assert.match(text, new RegExp(`^mpt_${environment}_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}$`));
    assert.deepEqual(parseTokenText(text), { environment, id });
  }
});

test('a token with any one character changed is refused by its checksum', () => {
  const { text } = makeTokenText('live');
  for (let i = 0; i < text.length; i += 1) {
    const other = text[i] === 'x' ? 'y' : 'x';
    assert.equal(parseTokenText(text.slice(0, i) + other + text.slice(i + 1)), null, `at ${i}`);
  }
});

test('what is no token at all is refused', () => {
  const { text } = makeTokenText('live');
  for (const wrong of ['', 'mpt_live_', text.slice(0, -1), `${text}0`, ` ${text}`, `${text}\n`]) {
    assert.equal(parseTokenText(wrong), null, JSON.stringify(wrong));
  }
});

test('the secret has at least 190 random bits, evenly spread over 62 characters', () => {
  const counts = new Map<string, number>();
  const texts = Array.from({ length: 1_000 }, () => makeTokenText('live').text);
  assert.equal(new Set(texts).size, texts.length);
  for (const text of texts) {
    for (const character of text.slice(-38, -6)) {
      counts.set(character, (counts.get(character) ?? 0) + 1);
    }
  }
  assert.equal(counts.size, 62);
  assert.ok(32 * Math.log2(62) >= 190);
  // 32,000 draws over 62 characters: about 516 each, with a deviation of about 23.
  for (const [character, count] of counts) {
    assert.ok(Math.abs(count - 516) < 150, `${character}: ${count}`);
  }
});

test('what is stored of a token is a SHA-256 digest', () => {
  assert.equal(
    digestOf('abc').toString('hex'),
    'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  );
});
