import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { bootId, monotonic, now, patientNow, readBootId, toWireTime } from './clock.ts';

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

test('a wall clock that jumps ahead is believed after a day, one that goes back at once', (t) => {
  const day = 86_400_000;
  // The machine has been up for longer than a wrong clock has to wait.
  const start = { wall: Date.now(), mono: process.hrtime.bigint() + 3n * 86_400_000_000_000n };
  const set = (wall: number, elapsed: number): number => {
    t.mock.method(Date, 'now', () => start.wall + wall);
    t.mock.method(process.hrtime, 'bigint', () => start.mono + BigInt(elapsed) * 1_000_000n);
    return patientNow() - start.wall;
  };
  assert.equal(set(0, 0), 0);
  assert.equal(set(30_000, 1_000), 30_000, 'a small correction');
  assert.equal(set(91_000, 2_000), 91_000, 'a minute at once is credible');
  assert.equal(set(152_001, 3_000), 92_000, 'more is not');
  assert.equal(set(30_000, 1_000), 30_000);
  assert.equal(set(365 * day, 2_000), 31_000, 'a jump of a year');
  assert.equal(set(365 * day, 3_000), 32_000);
  assert.equal(set(4_000, 4_000), 4_000, 'put right again');
  assert.equal(set(-day, 5_000), -day);
  assert.equal(set(365 * day, 6_000), -day + 1_000);
  assert.equal(set(366 * day, day + 6_000), 366 * day, 'still ahead after a day');
});

test('the boot is named as each system names it, and where none does by its instant', (t) => {
  const asked: string[] = [];
  const run = (...words: string[]): string => {
    asked.push(words.join(' '));
    return 'BOOT-1\n';
  };
  const read = (path: string): string => {
    asked.push(path);
    return 'boot-2\n';
  };
  assert.equal(readBootId('darwin', run, read), 'BOOT-1');
  assert.equal(readBootId('linux', run, read), 'boot-2');
  assert.deepEqual(asked, [
    '/usr/sbin/sysctl kern.bootsessionuuid',
    '/proc/sys/kernel/random/boot_id',
  ]);
  const none = (): never => {
    throw new Error('there is none');
  };
  t.mock.method(Date, 'now', () => 1_000_000_000);
  t.mock.method(process.hrtime, 'bigint', () => 40_004_000_000_000n);
  assert.equal(readBootId('win32', none, none), 'since-96000');
});

test(
  'on Linux the boot has the name that the kernel gave it',
  { skip: process.platform !== 'linux' },
  () => {
    assert.equal(bootId(), readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim());
  },
);
