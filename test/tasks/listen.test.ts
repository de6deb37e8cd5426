/** `subscriptions/listen` with task ids. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test, type TestContext } from 'node:test';
import { setTimeout as rest } from 'node:timers/promises';
import {
  TaskStatusNotificationV2Schema,
  TaskSubscriptionAcknowledgedNotificationsV2Schema,
} from '@modelcontextprotocol/ext-tasks/core/v2';
import type { Identify } from '../../src/http.ts';
import { newId } from '../../src/job/ids.ts';
import { openStore } from '../../src/sqlite.ts';
import { claim } from '../support/a-job.ts';
import { tempFolder, tempStore } from '../support/temp.ts';
import { until } from '../support/until.ts';
import { byName } from '../http/fixture.ts';
import { openStream, type Stream } from './streams.ts';
import { aTaskServer, message2026, modern, submitted, taskThatIs, type Speaker } from './wire.ts';

const HALF = { done: 1, total: 2, message: null };

/** A stream that ends with its test. */
async function listen(
  t: TestContext,
  url: string,
  notifications: object,
  speaker?: Speaker,
): Promise<Stream> {
  const stream = await openStream(url, notifications, speaker);
  t.after(() => stream.close());
  return stream;
}

test('a listener gets an ack, a snapshot, every change, and an end in good order', async (t) => {
  const { url } = await aTaskServer(t);
  const taskId = await submitted(url, 'survey');
  await taskThatIs(url, taskId, 'input_required');
  const { frames, isEnded } = await listen(t, url, { taskIds: [taskId, taskId] });
  await until('the snapshot is there', () => frames.length >= 2);
  const [ack, snapshot] = frames;
  assert.equal(ack.method, 'notifications/subscriptions/acknowledged');
  TaskSubscriptionAcknowledgedNotificationsV2Schema.parse(ack.params.notifications);
  assert.deepEqual(ack.params.notifications, { taskIds: [taskId] });
  assert.equal(snapshot.params.status, 'input_required');

  const colour = { action: 'accept', content: { colour: 'red' } };
  const size = { action: 'accept', content: { size: 2 } };
  await modern(url, 'tasks/update', { taskId, inputResponses: { colour } });
  await until('one is open', () =>
    frames.some((f) => Object.keys(f.params?.inputRequests ?? {}).join() === 'size'),
  );
  await modern(url, 'tasks/update', { taskId, inputResponses: { size } });
  await until('it asks again', () => frames.some((f) => f.params?.inputRequests?.sure));
  await modern(url, 'tasks/update', { taskId, inputResponses: { sure: { action: 'cancel' } } });
  await until('it has ended', isEnded);
  const last = frames.at(-1);
  assert.equal(last.id, 1);
  assert.equal(last.result.resultType, 'complete');
  const told = frames.slice(1, -1);
  for (const message of told) {
    TaskStatusNotificationV2Schema.parse(message);
    assert.equal(message.params._meta['io.modelcontextprotocol/subscriptionId'], 1);
  }
  assert.equal(told.at(-1).params.status, 'completed');
});

test('final, unknown and foreign tasks: a snapshot of what may be seen, then the end', async (t) => {
  const { url } = await aTaskServer(t);
  const done = await submitted(url, 'add', { a: 1, b: 2 });
  const foreign = await submitted(url, 'nap', { ms: 60_000 }, { token: 'anna/bert/*' });
  await taskThatIs(url, done, 'completed');
  const taskIds = [done, foreign, newId('mjb'), 'nonsense', ''];
  const { frames, isEnded } = await listen(t, url, { taskIds });
  await until('it has ended', isEnded);
  assert.deepEqual(frames[0].params.notifications, { taskIds: [done] });
  assert.deepEqual(
    frames.slice(1).map(({ method, id }) => method ?? id),
    ['notifications/tasks', 1],
  );
  const nothing = await listen(t, url, { taskIds: [foreign] });
  await until('it has ended', nothing.isEnded);
  assert.deepEqual(nothing.frames[0].params.notifications, { taskIds: [] });
});

test('bad subscriptions are refused exactly, and nothing is opened', async (t) => {
  const { url } = await aTaskServer(t, { maxSubscriptions: 1 });
  const taskId = await submitted(url, 'nap', { ms: 60_000 });
  const ask = (taskIds: unknown, speaker?: Speaker) =>
    modern(url, 'subscriptions/listen', { notifications: { taskIds } }, speaker);
  const undeclared = await ask([taskId], { capabilities: {} });
  assert.deepEqual([undeclared.status, undeclared.error?.code], [400, -32_021]);
  const many = Array.from({ length: 10_000 }, () => newId('mjb'));
  for (const wrong of [many, 'text', [1], { 0: taskId }, null]) {
    assert.equal((await ask(wrong)).error?.code, -32_602, JSON.stringify(wrong).slice(0, 40));
  }
  const one = await listen(t, url, { taskIds: [taskId] });
  assert.equal((await ask([taskId])).error?.code, -32_603);
  await one.close();
  await until('there is room again', async () => {
    const probe = await ask([newId('mjb')]);
    return probe.error === undefined;
  });
  const { result } = await modern(url, 'tasks/get', { taskId });
  assert.equal(result.status, 'working', 'closing a stream never touches a job');
});

/** A server with one place for listeners, whose reads of this task wait for `let`. */
async function heldServer(t: TestContext) {
  const store = await tempStore(t);
  const held = { db: store, inProcess: false, workers: 0, maxSubscriptions: 1 };
  const { url } = await aTaskServer(t, held);
  const taskId = await submitted(url, 'nap', { ms: 60_000 });
  const read = store.get.bind(store);
  const { promise: gate, resolve: open, reject: fail } = Promise.withResolvers<void>();
  // What fails before anybody reads is no fault of the test.
  gate.catch(() => {});
  let reads = 0;
  store.get = async (...asked) => {
    reads += 1;
    await gate;
    return read(...asked);
  };
  const letGo = (error?: Error) => {
    store.get = read;
    if (error) fail(error);
    else open();
  };
  return { url, taskId, reads: () => reads, letGo };
}

test('who leaves while the tasks are looked up takes no place from those who come', async (t) => {
  const { url, taskId, reads, letGo } = await heldServer(t);
  const left = new AbortController();
  const request = message2026('subscriptions/listen', { notifications: { taskIds: [taskId] } });
  const gone = fetch(url, { ...request, signal: left.signal });
  await until('the task is looked up', () => reads() === 1);
  left.abort();
  await assert.rejects(gone);
  // The server has seen him leave, for it has answered since.
  for (let i = 0; i < 5; i += 1) await modern(url, 'server/discover', {});
  letGo();
  const stream = await until('there is room again', () =>
    listen(t, url, { taskIds: [taskId] }).catch(() => null),
  );
  await until('the snapshot is there', () => stream.frames.length >= 2);
});

test('a place is taken before the tasks are looked up, and given back when that fails', async (t) => {
  const { url, taskId, reads, letGo } = await heldServer(t);
  const ask = () => modern(url, 'subscriptions/listen', { notifications: { taskIds: [taskId] } });
  const first = ask();
  await until('the task is looked up', () => reads() === 1);
  assert.match((await ask()).error?.message ?? '', /Subscription limit reached: 1 /);
  letGo(new Error('the disk has gone'));
  assert.equal((await first).status, 500);
  const { frames } = await listen(t, url, { taskIds: [taskId] });
  await until('the snapshot is there', () => frames.length >= 2);
});

test('streams that wait for their turn on a connection that is cut are ended too', async (t) => {
  const { url } = await aTaskServer(t, { inProcess: false, workers: 0, maxSubscriptions: 3 });
  const taskId = await submitted(url, 'nap', { ms: 60_000 });
  const { body, headers } = message2026('subscriptions/listen', {
    notifications: { taskIds: [taskId] },
  });
  const lines = Object.entries({ ...headers, 'content-length': body.length });
  const head = lines.map((line) => `${line.join(': ')}\r\n`).join('');
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.on('error', () => {}).resume();
  socket.write(`POST /mcp HTTP/1.1\r\nhost: localhost\r\n${head}\r\n${body}`.repeat(3));
  const probe = () => modern(url, 'subscriptions/listen', { notifications: { taskIds: [] } });
  await until('they take every place', async () => (await probe()).error !== undefined);
  socket.destroy();
  for (let i = 0; i < 3; i += 1) {
    const again = () => listen(t, url, { taskIds: [taskId] }).catch(() => null);
    await until(`there is room for ${i + 1}`, again);
  }
});

test('changes that another process makes are told too', async (t) => {
  const folder = tempFolder(t);
  const db = `${folder}/jobs.db`;
  const { url } = await aTaskServer(t, { db });
  const other = await openStore(db, { isGuest: true });
  t.after(() => other.close());
  const taskId = await submitted(url, 'survey');
  await taskThatIs(url, taskId, 'input_required');
  const { frames } = await listen(t, url, { taskIds: [taskId] });
  await until('the snapshot is there', () => frames.length >= 2);
  const who = { team: 'anna', owner: 'anna', abilities: ['*'] };
  await other.answer(taskId, who, { colour: { action: 'decline' } });
  await until('the change is told', () => frames.length >= 3);
  assert.deepEqual(Object.keys(frames[2].params.inputRequests), ['size']);
});

test('a change that a task does not show is not told', async (t) => {
  const { url, store } = await aTaskServer(t, { inProcess: false, workers: 0 });
  const taskId = await submitted(url, 'nap', { ms: 60_000 });
  const { frames } = await listen(t, url, { taskIds: [taskId] });
  await until('the snapshot is there', () => frames.length >= 2);
  const [job] = (await claim(store, { tools: ['nap'] })).jobs;
  assert.equal(job?.status, 'running');
  // What would be told is told at once; it is given a moment.
  await rest(300);
  await store.progress({ id: taskId, lease: job?.lease ?? '' }, { ...HALF });
  await until('the progress is told', () => frames.length >= 3);
  assert.deepEqual(
    frames
      .slice(1)
      .map(({ params }) => [params.status, params._meta['mcp-async-jobs/progress']?.done]),
    [
      ['working', undefined],
      ['working', 1],
    ],
  );
});

test('a stream ends when its listener may no longer see the jobs of his team', async (t) => {
  let isRevoked = false;
  const { url } = await aTaskServer(t, {
    inProcess: false,
    workers: 0,
    identify: async (request) => {
      const who = await byName(request);
      return who && isRevoked ? { ...who, abilities: ['*'] } : who;
    },
  });
  const taskId = await submitted(url, 'nap', { ms: 60_000 });
  const speaker = { token: 'anna/bert/job:view-any' };
  const { frames, isEnded } = await listen(t, url, { taskIds: [taskId] }, speaker);
  await until('the snapshot is there', () => frames.length >= 2);
  isRevoked = true;
  await until('it has ended', isEnded, { ms: 5_000 });
  assert.equal(frames.at(-1).id, 1, 'in good order');
});

test('a stream ends within 5 s when its token is revoked', async (t) => {
  let isRevoked = false;
  const identify: Identify = (request) => (isRevoked ? null : byName(request));
  const { url } = await aTaskServer(t, { identify });
  const taskId = await submitted(url, 'nap', { ms: 60_000 });
  const { frames, isEnded } = await listen(t, url, { taskIds: [taskId] });
  await until('the snapshot is there', () => frames.length >= 2);
  isRevoked = true;
  await until('it has ended', isEnded, { ms: 5_000 });
  assert.equal(frames.at(-1).result, undefined);
});

test('a stream whose caller cannot be told holds up the check of no other', async (t) => {
  let isRevoked = false;
  const identify: Identify = async (request) => {
    const who = await byName(request);
    if (!isRevoked) return who;
    return who?.owner === 'bert' ? new Promise(() => {}) : null;
  };
  const { url } = await aTaskServer(t, { identify });
  const streams: Stream[] = [];
  for (const token of ['anna/bert/*', 'anna/anna/*']) {
    const taskId = await submitted(url, 'nap', { ms: 60_000 }, { token });
    const stream = await listen(t, url, { taskIds: [taskId] }, { token });
    await until('the snapshot is there', () => stream.frames.length >= 2);
    streams.push(stream);
  }
  isRevoked = true;
  await until('the other has ended', () => streams[1]?.isEnded() ?? false, { ms: 4_000 });
  assert.equal(streams[0]?.isEnded(), false);
});

test('a stream ends without a word when its token stands for somebody else, whatever he may see', async (t) => {
  let isAnother = false;
  const identify: Identify = async (request) => {
    const who = await byName(request);
    const another = { owner: 'carl', abilities: ['*', 'job:view-any'] };
    return who && isAnother ? { ...who, ...another } : who;
  };
  const { url } = await aTaskServer(t, { identify });
  const taskId = await submitted(url, 'nap', { ms: 60_000 });
  const { frames, isEnded } = await listen(t, url, { taskIds: [taskId] });
  await until('the snapshot is there', () => frames.length >= 2);
  isAnother = true;
  await until('it has ended', isEnded, { ms: 5_000 });
  assert.equal(frames.at(-1).result, undefined);
});

test('a stream on which nothing happens is kept from being taken for dead', async (t) => {
  // Of the server too, which is in this process.
  t.mock.timers.enable({ apis: ['setInterval'] });
  const { url } = await aTaskServer(t, { inProcess: false, workers: 0 });
  const taskId = await submitted(url, 'nap', { ms: 60_000 });
  const notifications = { taskIds: [taskId] };
  const response = await fetch(url, message2026('subscriptions/listen', { notifications }));
  let text = '';
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  t.after(() => reader?.cancel());
  const reading = async () => {
    for (let one = await reader?.read(); one && !one.done; one = await reader?.read()) {
      text += one.value;
    }
  };
  void reading().catch(() => {});
  await until('the snapshot is there', () => text.includes('notifications/tasks'));
  const before = text.match(/^:/gm)?.length ?? 0;
  t.mock.timers.tick(15_000);
  await until('it is kept', () => (text.match(/^:/gm)?.length ?? 0) > before);
});

test('what the SDK sends of its own goes through, beside the tasks', async (t) => {
  const { url } = await aTaskServer(t, {
    tools: (mcp, { notify }) => {
      mcp.server.registerCapabilities({ tools: { listChanged: true } });
      mcp.registerTool('change', {}, () => {
        notify.toolsChanged();
        return { content: [] };
      });
    },
  });
  const taskId = await submitted(url, 'nap', { ms: 60_000 });
  const { frames } = await listen(t, url, { taskIds: [taskId], toolsListChanged: true });
  await until('the snapshot is there', () => frames.length >= 2);
  assert.deepEqual(frames[0].params.notifications, { toolsListChanged: true, taskIds: [taskId] });
  await modern(url, 'tools/call', { name: 'change', arguments: {} });
  await until('the change is told', () =>
    frames.some(({ method }) => method === 'notifications/tools/list_changed'),
  );
  await modern(url, 'tasks/cancel', { taskId });
  await until('the end is told', () => frames.some((f) => f.params?.status === 'cancelled'));
});

test('a subscription with a malformed envelope is refused by the SDK in its own words', async (t) => {
  const { url } = await aTaskServer(t);
  for (const _meta of [null, 'x', 5, true]) {
    const params = { _meta, notifications: { taskIds: ['a'] } };
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        authorization: 'Bearer anna/anna/*',
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'subscriptions/listen', params }),
    });
    const { error } = (await response.json()) as { error: { code: number } };
    assert.deepEqual([response.status, error.code], [400, -32600], JSON.stringify(_meta));
  }
});
