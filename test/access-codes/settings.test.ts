import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { openSettings, type AccessCodeOptions } from '../../src/access-codes/settings.ts';
import { ACCESS_CODE_MIGRATIONS } from '../../src/access-codes/sqlite/migrations.ts';
import type { Store } from '../../src/index.ts';
import { openStore } from '../../src/sqlite.ts';

let folder: string;
let stores: Store[];
const database = async (name: string): Promise<Store> => {
  const store = await openStore(join(folder, name), { migrations: [ACCESS_CODE_MIGRATIONS] });
  stores.push(store);
  return store;
};
const keyFile = (name: string): string => join(folder, `${name}.key`);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'settings-'));
  stores = [];
});
afterEach(async () => {
  for (const store of stores) await store.close();
  rmSync(folder, { recursive: true });
});

test('a database keeps the key that it was started with first', async () => {
  const store = await database('a');
  const first = await openSettings(store, { keyFile: keyFile('a') });
  const again = await openSettings(await database('a'), { keyFile: keyFile('a') });
  assert.equal(again.key, first.key);
  const given = await openSettings(store, { keyFile: keyFile('nowhere'), key: first.key });
  assert.equal(given.key, first.key);
  assert.equal(existsSync(keyFile('nowhere')), false);
});

test('starts at the same moment agree on one key', async () => {
  const opened = await Promise.all(Array.from({ length: 8 }, async () => database('a')));
  const settings = await Promise.all(
    opened.map(async (store) => openSettings(store, { keyFile: keyFile('a') })),
  );
  assert.equal(new Set(settings.map(({ key }) => key)).size, 1);
});

test('a key of another database is refused, and the key is not shown', async () => {
  const { key } = await openSettings(await database('a'), { keyFile: keyFile('a') });
  const other = await openSettings(await database('b'), { keyFile: keyFile('b') });
  copyFileSync(keyFile('b'), keyFile('a'));
  const store = await database('a');
  const isRefused = (error: Error) =>
    /does not belong to this database/.test(error.message) &&
    !error.message.includes(key) &&
    !error.message.includes(other.key);
  await assert.rejects(async () => openSettings(store, { keyFile: keyFile('a') }), isRefused);
  await assert.rejects(
    async () => openSettings(store, { keyFile: keyFile('a'), key: other.key }),
    isRefused,
  );
});

test('a key file that was lost is not replaced by a new key', async () => {
  await openSettings(await database('a'), { keyFile: keyFile('a') });
  rmSync(keyFile('a'));
  const store = await database('a');
  await assert.rejects(
    async () => openSettings(store, { keyFile: keyFile('a') }),
    /is missing.*Restore it from a backup/,
  );
  assert.equal(existsSync(keyFile('a')), false);
});

test('a key that is none is refused without showing it', async () => {
  const store = await database('a');
  await assert.rejects(
    async () => openSettings(store, { keyFile: keyFile('a'), key: 'hunter2' }),
    (error: Error) => /does not hold a key/.test(error.message) && !/hunter2/.test(error.message),
  );
});

test('options out of range are all named at once', async () => {
  const store = await database('a');
  const wrong: AccessCodeOptions = {
    keyFile: keyFile('a'),
    quantityMax: 10_001,
    exportDays: 0,
    overagePrice: '0.005',
  };
  await assert.rejects(
    async () => openSettings(store, wrong),
    /quantityMax is 10001.*exportDays is 0.*overagePrice is "0\.005"/,
  );
  assert.equal(existsSync(keyFile('a')), false);
});
