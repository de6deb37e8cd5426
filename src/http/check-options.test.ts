import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkOptions } from './check-options.ts';
import { local } from './local.ts';
import type { ServeOptions } from './options.ts';

const jobs = new URL('file:///jobs.ts');
const right: ServeOptions = { jobs, db: 'jobs.db', identify: () => null };

function problem(options: object): string {
  try {
    checkOptions({ ...right, ...options });
  } catch (error) {
    assert.ok(error instanceof TypeError);
    return error.message;
  }
  return '';
}

test('options that are right get their defaults', () => {
  const { host, port, rateLimit, workers, publicUrl } = checkOptions(right);
  assert.deepEqual(
    { host, port, rateLimit, workers, publicUrl },
    { host: '127.0.0.1', port: 3_000, rateLimit: 120, workers: 1, publicUrl: null },
  );
  assert.equal(checkOptions({ ...right, publicUrl: 'https://x.org/' }).publicUrl, 'https://x.org');
});

test('a server without identify names the three ready-made ones', () => {
  const message = problem({ identify: undefined });
  for (const name of ['tokens(store)', 'bearer(verifier, { team })', 'local()']) {
    assert.ok(message.includes(name), message);
  }
});

test('every problem is told at once, and mistyped names get a suggestion', () => {
  const message = problem({ port: 70_000, workres: 2, db: 5, host: '', tools: 'x' });
  for (const part of ['`port` is 70000', 'did you mean "workers"?', '`db`', '`host`', '`tools`']) {
    assert.ok(message.includes(part), message);
  }
});

test('a PostgreSQL address is a database as well', () => {
  assert.equal(problem({ db: 'postgres://localhost/jobs' }), '');
});

test('addresses and lists are checked', () => {
  assert.match(problem({ publicUrl: 'jobs.example.com' }), /`publicUrl`/);
  assert.match(problem({ publicUrl: 'https://example.com/?x=1' }), /`publicUrl`/);
  assert.match(problem({ allowHosts: ['https://example.com'] }), /`allowHosts`/);
  assert.match(problem({ allowOrigins: ['example.com'] }), /`allowOrigins`/);
  assert.match(problem({ jobs: './jobs.ts' }), /import\.meta\.url/);
  assert.match(problem({ settings: { f: () => {} } }), /`settings`/);
});

test('local() is refused wherever others could come in', () => {
  const identify = local();
  assert.equal(problem({ identify }), '');
  assert.equal(problem({ identify, host: 'localhost' }), '');
  assert.equal(problem({ identify, allowHosts: [], trustProxy: false }), '');
  for (const open of [
    { host: '0.0.0.0' },
    { host: '192.168.1.5' },
    { publicUrl: 'https://x.org' },
    { allowHosts: ['x'] },
    { trustProxy: true },
  ]) {
    assert.match(problem({ identify, ...open }), /local\(\) lets everybody in/);
  }
});
