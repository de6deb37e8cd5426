import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { now } from '../src/index.ts';
import * as door from '../src/testing.ts';
import {
  insertPiece,
  PIECES,
  deaf,
  flaky,
  quick,
  refusing,
  gated,
  chatty,
} from './support/jobs.ts';
import { tempFolder } from './support/temp.ts';
import { aJob, who } from './support/a-job.ts';

const { openTemporaryStore, runOnce } = door;

test('the door for tests has at most three exports', () => {
  assert.deepEqual(Object.keys(door).toSorted(), ['openTemporaryStore', 'runOnce']);
});

test('a temporary store is a real one, and vanishes', async (t) => {
  const folder = tempFolder(t);
  process.env['TMPDIR'] = folder;
  const left = () => readdirSync(folder).length;
  {
    await using store = await openTemporaryStore({ migrations: [PIECES] });
    const { id } = await store.insert(aJob({ createdAt: now() }), 0);
    assert.equal((await store.get(id, who()))?.status, 'queued');
    assert.equal(left(), 1);
  }
  assert.equal(left(), 0);
});

test('one run gives what the caller would read, and its effects', async (t) => {
  const settings = { folder: tempFolder(t) };
  const ran = await runOnce(quick, { key: 'a' }, { settings });
  assert.deepEqual(ran.result, { key: 'a', attempt: 1 });
  assert.deepEqual([ran.status, ran.error, ran.fault], ['completed', null, false]);
  assert.deepEqual(
    ran.effects.map(({ name }) => name),
    [insertPiece.statement],
  );
});

test('a fault is a retry until the attempts are spent', async (t) => {
  const settings = { folder: tempFolder(t) };
  const first = await runOnce(flaky, { key: 'a' }, { settings });
  assert.deepEqual([first.status, first.fault, first.error], ['queued', true, null]);
  const third = await runOnce(flaky, { key: 'a' }, { settings, attempt: 3 });
  assert.deepEqual(third.result, { key: 'a', attempt: 3 });
  const late = await runOnce(deaf, { key: 'a' }, { settings });
  assert.deepEqual(
    [late.status, late.error?.code, late.fault],
    ['failed', 'DEADLINE_EXCEEDED', true],
  );
});

test('an error that the handler declares is its envelope', async (t) => {
  const settings = { folder: tempFolder(t) };
  const { status, error, fault } = await runOnce(refusing, { key: 'a' }, { settings });
  assert.deepEqual([status, error?.code, fault], ['failed', 'NO_PAPER', false]);
});

test('input is parsed as a worker would, and a signal hands the job back', async (t) => {
  const settings = { folder: tempFolder(t) };
  const wrong = await runOnce(gated, { key: 1 } as never, { settings });
  assert.equal(wrong.error?.code, 'VALIDATION_FAILED');
  const signal = AbortSignal.timeout(50);
  const stopped = await runOnce(gated, { key: 'never' }, { settings, signal });
  assert.deepEqual([stopped.status, stopped.fault], ['queued', false]);
});

test('everything that was said of the progress is given back', async (t) => {
  const { progress } = await runOnce(chatty, { key: 'a' }, { settings: { folder: tempFolder(t) } });
  assert.equal(progress.length, 10_000);
  assert.deepEqual(progress.at(-1), { done: 10_000, total: 10_000, message: 'step 10000' });
});
