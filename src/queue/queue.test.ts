/** What callers ask, on a real database. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { z } from 'zod';
import { defineJob, definitionsOf } from '../job/definition.ts';
import { JobError } from '../job/errors.ts';
import { SILENT } from '../job/log.ts';
import { ask } from '../job/transitions.ts';
import type { Who } from '../job/who.ts';
import { openStore } from '../sqlite.ts';
import { answer } from './answer.ts';
import { cancel } from './cancel.ts';
import type { QueueContext } from './context.ts';
import { get } from './get.ts';
import { list } from './list.ts';
import { submit } from './submit.ts';
import { Waits } from './wait.ts';
import { timeout, within } from './within.ts';

const anna: Who = { team: 't', owner: 'anna', abilities: ['*'] };
const bert: Who = { team: 't', owner: 'bert', abilities: ['*', 'job:view-any'] };
const requestId = 'req_1';

const echo = defineJob({
  name: 'echo',
  description: 'Echoes.',
  input: z.object({ text: z.string().transform((text) => text.length) }),
  output: z.object({}),
  prepare: ({ text }) => ({ carry: text }),
  run: () => ({}),
});

async function aQueue(t: TestContext): Promise<QueueContext> {
  const folder = mkdtempSync(join(tmpdir(), 'mcp-async-jobs-'));
  const store = await openStore(join(folder, 'jobs.db'));
  t.after(async () => {
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const definitions = definitionsOf({ echo });
  const [waits, idempotencyTtlMs] = [new Waits(store), 60_000];
  const keeping = { maxOutstanding: 2, idempotencyTtlMs };
  return { store, definitions, settings: null, ...keeping, waits, log: SILENT };
}

/** The database is away from the moment the write is kept. */
function awayAfter(queue: QueueContext, write: 'insertOnce' | 'applyAs' | 'answer'): QueueContext {
  const { store } = queue;
  let isAway = false;
  const away = new Proxy(store, {
    get:
      (_, name) =>
      async (...given: unknown[]) => {
        if (isAway) throw new JobError('STORE_BUSY');
        isAway = name === write;
        return await (Reflect.get(store, name) as (...args: unknown[]) => unknown).apply(
          store,
          given,
        );
      },
  });
  return { ...queue, store: away };
}

const submitEcho = async (queue: QueueContext, who = anna) =>
  (await submit(queue, echo, { who, args: { text: 'four' }, requestId })).job;

const code = (wanted: string) => (error: unknown) =>
  error instanceof JobError && error.code === wanted;

test('submit keeps the arguments as they came, and what prepare carries', async (t) => {
  const queue = await aQueue(t);
  const { id } = await submitEcho(queue);
  const { input, carry, status } = await get(queue, id, anna);
  assert.deepEqual(
    { input, carry, status },
    { input: '{"text":"four"}', carry: '4', status: 'queued' },
  );
});

test('submit refuses more open jobs than the cap', async (t) => {
  const queue = await aQueue(t);
  await submitEcho(queue);
  await submitEcho(queue);
  await assert.rejects(submitEcho(queue), code('RATE_LIMITED'));
  assert.equal((await list(queue, {}, anna)).jobs.length, 2);
});

test('a submission under a key is answered by its write alone, and the key finds the job', async (t) => {
  const queue = await aQueue(t);
  const call = { who: anna, args: { text: 'four' }, requestId, key: 'k' };
  const first = await submit(awayAfter(queue, 'insertOnce'), echo, call);
  const again = await submit(queue, echo, call);
  assert.deepEqual(again, { ...first, isReplay: true });
});

test('cancel is at once, and a clear no-op on a final job', async (t) => {
  const queue = await aQueue(t);
  const { id } = await submitEcho(queue);
  const first = await cancel(queue, id, { who: anna, requestId });
  assert.deepEqual([first.changed, first.job.status], [true, 'cancelled']);
  assert.equal(first.job.error?.code, 'JOB_CANCELLED');
  const second = await cancel(queue, id, { who: anna, requestId: 'req_2' });
  assert.equal(second.changed, false);
  assert.deepEqual(second.job, first.job);
});

test('a change that is kept is never told as not begun', async (t) => {
  const queue = await aQueue(t);
  const { id } = await submitEcho(queue);
  const caller = { who: anna, requestId };
  const [job] = (
    await queue.store.claim({ worker: 'w', tools: ['echo'], limit: 1, leaseMs: 20_000, idle: true })
  ).jobs;
  assert.ok(job);
  await queue.store.apply(id, ask(job, { size: { message: 'How large?' } }, 60_000));
  const given = { size: { action: 'decline' } };
  const answering = answer(awayAfter(queue, 'answer'), id, { ...caller, given });
  await assert.rejects(answering, code('STORE_UNKNOWN'));
  assert.equal((await get(queue, id, anna)).status, 'queued');
  await assert.rejects(cancel(awayAfter(queue, 'applyAs'), id, caller), code('STORE_UNKNOWN'));
  assert.equal((await get(queue, id, anna)).status, 'cancelled');
});

test('who sees the jobs of a team may not cancel them', async (t) => {
  const queue = await aQueue(t);
  const { id } = await submitEcho(queue);
  assert.equal((await get(queue, id, bert)).id, id);
  await assert.rejects(cancel(queue, id, { who: bert, requestId }), code('RESOURCE_NOT_FOUND'));
  assert.equal((await get(queue, id, anna)).status, 'queued');
  // Nor is he told that it is over already, as its owner is.
  await cancel(queue, id, { who: anna, requestId });
  await assert.rejects(cancel(queue, id, { who: bert, requestId }), code('RESOURCE_NOT_FOUND'));
});

test('a page has a cursor only while there is more', async (t) => {
  const queue = await aQueue(t);
  const older = await submitEcho(queue);
  const newer = await submitEcho(queue);
  const first = await list(queue, { limit: 1 }, anna);
  assert.deepEqual(
    [first.jobs.map(({ id }) => id), first.nextCursor === null],
    [[newer.id], false],
  );
  const second = await list(queue, { limit: 1, cursor: first.nextCursor ?? '' }, anna);
  assert.deepEqual([second.jobs.map(({ id }) => id), second.nextCursor], [[older.id], null]);
});

test('within gives up after its time, with TIMEOUT', async () => {
  assert.equal(await within(Promise.resolve(1), 1_000, timeout('It')), 1);
  await assert.rejects(within(new Promise(() => {}), 5, timeout('It')), code('TIMEOUT'));
});
