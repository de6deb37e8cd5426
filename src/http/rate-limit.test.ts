import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rateLimits } from './rate-limit.ts';

const asked = new Request('http://127.0.0.1/mcp');

/** How many of these addresses are answered before one is refused. */
async function answered(addresses: readonly string[]): Promise<number> {
  const limits = rateLimits(() => null, 60);
  let count = 0;
  for (const address of addresses) {
    try {
      await limits.identify(asked, address);
    } catch (error) {
      assert.equal((error as { code?: unknown }).code, 'RATE_LIMITED');
      return count;
    }
    count += 1;
  }
  return count;
}

const hosts = Array.from({ length: 10 }, (_, i) => i + 1);

test('strangers of one IPv6 network of 64 bits count as one, however they are written', async () => {
  assert.equal(await answered(hosts.map((i) => `2001:db8:1:2::${i}`)), 5);
  assert.equal(await answered(hosts.map((i) => `2001:db8::${i}:0:0:1`)), 5);
  assert.equal(await answered(hosts.map((i) => `fe80::${i}%eth0`)), 5);
});

test('strangers of different networks are counted apart', async () => {
  assert.equal(await answered(hosts.map((i) => `2001:db8:1:${i}::1`)), 10);
  assert.equal(await answered(hosts.map((i) => `192.0.2.${i}`)), 10);
  assert.equal(await answered(hosts.map((i) => `::ffff:192.0.2.${i}`)), 10);
});

test('an IPv4 address is the same in its IPv6 form', async () => {
  const mixed = hosts.map((i) => (i % 2 === 0 ? '192.0.2.1' : '::ffff:192.0.2.1'));
  assert.equal(await answered(mixed), 5);
});
