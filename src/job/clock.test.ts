import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { bootId, monotonic, now, toWireTime } from './clock.ts';

test('the wire shows whole seconds of UTC and never rounds up', () => {
  assert.equal(toWireTime(0), '1970-01-01T00:00:00Z');
  assert.equal(toWireTime(1_779_098_700_999), '2026-05-18T10:05:00Z');
});

test('the monotonic clock and the boot are the same in another process', () => {
  const script = `const c = await import(${JSON.stringify(new URL('./clock.ts', import.meta.url).href)});
    console.log(JSON.stringify([c.monotonic(), c.bootId()]))`;
  const before = monotonic();
  const said = execFileSync(process.execPath, ['--input-type=module', '-e', script]).toString();
  const [there, boot] = JSON.parse(said) as [number, string];
  assert.ok(before <= there && there <= monotonic());
  assert.equal(boot, bootId());
});

test('wall time is in milliseconds', () => {
  assert.ok(Math.abs(now() - new Date().getTime()) < 1_000);
});
