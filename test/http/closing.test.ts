/** A server that goes away closes what it has opened, and nothing else. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { monotonic } from '../../src/job/clock.ts';
import { serve, type ServeOptions } from '../../src/http.ts';
import { openStore } from '../../src/sqlite.ts';
import { tempFolder } from '../support/temp.ts';
import { until } from '../support/until.ts';
import { openStream } from '../tasks/streams.ts';
import { submitted, TASK_JOBS } from '../tasks/wire.ts';
import { aServer, byName, JOBS } from './fixture.ts';

const optionsOf = (db: ServeOptions['db'], more: Partial<ServeOptions> = {}): ServeOptions => ({
  jobs: JOBS,
  db,
  identify: byName,
  port: 0,
  inProcess: true,
  ...more,
});

/** Closed by the last who writes, and by nobody else. */
const isOpen = (path: string): boolean => existsSync(`${path}-wal`);

test('a server closes the database that it has opened', async (t) => {
  const path = join(tempFolder(t), 'jobs.db');
  const serving = await serve(optionsOf(path));
  assert.equal(isOpen(path), true);
  await serving.close();
  assert.equal(isOpen(path), false);
});

test('a server leaves a store open that it was given', async (t) => {
  const store = await openStore(join(tempFolder(t), 'jobs.db'));
  t.after(() => store.close());
  const serving = await serve(optionsOf(store));
  await serving.close();
  assert.equal((await store.health()).writable, true);
});

test('a server that cannot listen closes the database again', async (t) => {
  const path = join(tempFolder(t), 'jobs.db');
  const taken = Number(new URL((await aServer(t)).url).port);
  await assert.rejects(serve(optionsOf(path, { port: taken })), /the port is in use/);
  assert.equal(isOpen(path), false);
});

async function streaming(t: TestContext) {
  const serving = await aServer(t, { jobs: TASK_JOBS, inProcess: false, workers: 0 });
  const taskId = await submitted(serving.url, 'nap', { ms: 60_000 });
  const stream = await openStream(serving.url, { taskIds: [taskId] });
  t.after(() => stream.close());
  await until('the snapshot is there', () => stream.frames.length >= 2);
  return { serving, stream };
}

test('streams of tasks are ended at once, in good order', async (t) => {
  const { serving, stream } = await streaming(t);
  const startedAt = monotonic();
  await serving.close({ graceMs: 20_000 });
  assert.ok(monotonic() - startedAt < 10_000, `${monotonic() - startedAt} ms`);
  await until('it has ended', stream.isEnded);
  assert.equal(stream.frames.at(-1).result?.resultType, 'complete');
});
