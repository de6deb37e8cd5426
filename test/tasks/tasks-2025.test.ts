/** The tasks of 2025-11-25 over raw HTTP, without sessions; results are held to the schemas. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CallToolResultV1Schema,
  CancelTaskResultV1Schema,
  CreateTaskResultV1Schema,
  GetTaskResultV1Schema,
  ListTasksResultV1Schema,
} from '@modelcontextprotocol/ext-tasks/core/v1';
import { monotonic } from '../../src/job/clock.ts';
import { until } from '../support/until.ts';
import { ALL, aTaskServer, message2025, modern, old, plain } from './wire.ts';

async function submitted(url: string, name: string, args: object): Promise<string> {
  const { result } = await old(url, 'tools/call', { name, arguments: args, task: { ttl: 5 } });
  CreateTaskResultV1Schema.parse(result);
  assert.deepEqual(Object.keys(result), ['task']);
  assert.equal(result.task.ttl, null, 'the ttl of the client is ignored');
  return result.task.taskId as string;
}

test('initialize advertises the tasks of 2025 and not the extension', async (t) => {
  const { url } = await aTaskServer(t);
  const { result } = await old(url, 'initialize', {
    protocolVersion: '2025-11-25',
    clientInfo: { name: 'test', version: '1' },
    capabilities: { extensions: { 'io.modelcontextprotocol/tasks': {} } },
  });
  assert.deepEqual(result.capabilities.tasks, {
    list: {},
    cancel: {},
    requests: { tools: { call: {} } },
  });
  assert.equal(result.capabilities.extensions, undefined);
  const { tools } = (await old(url, 'tools/list', {})).result;
  for (const { name, execution } of tools) {
    const isJob = ['add', 'nap', 'survey'].includes(name);
    if (isJob) assert.deepEqual(execution, { taskSupport: 'optional' }, name);
    else assert.notEqual(execution?.taskSupport, 'required', name);
  }
});

test('a 2025 client that asks for no task gets the plain handle', async (t) => {
  const { url } = await aTaskServer(t);
  const { result } = await old(url, 'tools/call', { name: 'add', arguments: { a: 1, b: 2 } });
  assert.equal(result.structuredContent.data.status, 'queued');
  assert.equal(result.task, undefined);
});

test('a tool that gives no task refuses one with -32601, and is not called', async (t) => {
  let calls = 0;
  const { url } = await aTaskServer(t, {
    tools: (mcp) =>
      void mcp.registerTool('own', {}, () => {
        calls += 1;
        return { content: [] };
      }),
  });
  const nap = { name: 'nap', arguments: { ms: 60_000 } };
  const job_id = (await plain(url, 'nap', nap.arguments)).data.job_id;
  for (const name of ['own', 'get_job_status', 'list_jobs', 'answer_job', 'cancel_job']) {
    const call = { name, arguments: { job_id }, task: {} };
    const { error } = await old(url, 'tools/call', call);
    assert.equal(error?.code, -32_601, name);
    assert.match(error.message, new RegExp(`"${name}" gives no task`));
  }
  assert.equal(calls, 0);
  assert.equal((await plain(url, 'get_job_status', { job_id })).data.completed_at, null);
  // To 2026-07-28 the parameter means nothing.
  const { result } = await modern(url, 'tools/call', { name: 'own', arguments: {}, task: {} });
  assert.deepEqual([result.content, calls], [[], 1]);
});

test('a task is created, read, listed, and its result is waited for', async (t) => {
  const { url } = await aTaskServer(t);
  const taskId = await submitted(url, 'nap', { ms: 400 });
  const { result: task } = await old(url, 'tasks/get', { taskId });
  GetTaskResultV1Schema.parse(task);
  assert.deepEqual([task.status, task.pollInterval], ['working', 1_000]);
  const { result: list } = await old(url, 'tasks/list', {});
  ListTasksResultV1Schema.parse(list);
  assert.deepEqual(
    list.tasks.map((one: { taskId: string }) => one.taskId),
    [taskId],
  );
  const { result } = await old(url, 'tasks/result', { taskId });
  CallToolResultV1Schema.parse(result);
  assert.deepEqual(result.structuredContent, { data: { slept: true } });
  assert.deepEqual(result._meta, { 'io.modelcontextprotocol/related-task': { taskId } });
});

test('tasks/result ends with the job, whatever its end', async (t) => {
  const { url } = await aTaskServer(t);
  const refused = await old(url, 'tasks/result', { taskId: await submitted(url, 'refuse', {}) });
  assert.equal(refused.result.isError, true);
  assert.equal(refused.result.structuredContent.error.code, 'OUT_OF_PAPER');
  const broken = await old(url, 'tasks/result', { taskId: await submitted(url, 'crash', {}) });
  assert.equal(broken.error?.code, -32_603);
  const taskId = await submitted(url, 'nap', { ms: 60_000 });
  const waiting = old(url, 'tasks/result', { taskId });
  const { result: task } = await old(url, 'tasks/cancel', { taskId });
  CancelTaskResultV1Schema.parse(task);
  assert.equal(task.status, 'cancelled');
  const { error } = await waiting;
  assert.deepEqual(
    (error?.data as { error: { code: string } } | undefined)?.error.code,
    'JOB_CANCELLED',
  );
  assert.equal((await old(url, 'tasks/cancel', { taskId })).error?.code, -32_602);
});

test('tasks/list leafs through own tasks alone', async (t) => {
  const { url } = await aTaskServer(t);
  const ids: string[] = [];
  for (let i = 0; i < 105; i += 1) ids.push(await submitted(url, 'add', { a: i, b: 0 }));
  await old(
    url,
    'tools/call',
    { name: 'add', arguments: { a: 1, b: 1 } },
    { token: 'anna/bert/*' },
  );
  const seen: string[] = [];
  for (let cursor: string | undefined, pages = 0; pages < 3; pages += 1) {
    const page = (await old(url, 'tasks/list', { ...(cursor && { cursor }) })).result;
    seen.push(...page.tasks.map(({ taskId }: { taskId: string }) => taskId));
    cursor = page.nextCursor;
    if (cursor === undefined) break;
  }
  assert.deepEqual(seen, ids.toReversed());
  const team = { token: 'anna/bert/job:view-any' };
  assert.equal((await old(url, 'tasks/list', {}, team)).result.tasks.length, 1);
});

test('a wrong cursor of tasks/list is refused by the name that it has there', async (t) => {
  const { url } = await aTaskServer(t);
  const { error } = await old(url, 'tasks/list', { cursor: 'nonsense' });
  assert.equal(error?.code, -32_602);
  assert.match(error?.message ?? '', /cursor: must be nextCursor of an earlier page/);
  const tool = await plain(url, 'list_jobs', { cursor: 'nonsense' });
  assert.deepEqual(tool.error.fields, {
    cursor: ['must be meta.next_cursor of an earlier page, unchanged'],
  });
});

test('a server that goes away lets nobody wait for a result', async (t) => {
  const serving = await aTaskServer(t, { inProcess: false, workers: 0 });
  const { url } = serving;
  const taskId = await submitted(url, 'nap', { ms: 60_000 });
  const waiting = old(url, 'tasks/result', { taskId });
  // Each of these is answered after the wait has begun.
  for (let i = 0; i < 5; i += 1) await old(url, 'tasks/get', { taskId });
  const startedAt = monotonic();
  await serving.close({ graceMs: 20_000 });
  const ms = monotonic() - startedAt;
  assert.ok(ms < 10_000, `${ms} ms`);
  const { error } = await waiting;
  assert.match(error?.message ?? '', /The server goes away; the task goes on/);
});

test('who waits for a result waits also where nobody may listen, and leaves without a fault', async (t) => {
  const logged: object[] = [];
  const error = (fields: object) => void logged.push(fields);
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error };
  const idle = { inProcess: false, workers: 0, log };
  const { url } = await aTaskServer(t, { ...idle, maxSubscriptions: 0 });
  const taskId = await submitted(url, 'nap', { ms: 60_000 });
  const listen = { notifications: { taskIds: [taskId] } };
  const { error: refusal } = await modern(url, 'subscriptions/listen', listen);
  assert.match(refusal?.message ?? '', /^Subscription limit reached: 0 /);
  const left = new AbortController();
  const leaving = fetch(url, { ...message2025('tasks/result', { taskId }), signal: left.signal });
  const staying = old(url, 'tasks/result', { taskId });
  // Both are heard by now: what is asked after them is answered.
  await old(url, 'tasks/get', { taskId });
  left.abort();
  await assert.rejects(async () => (await leaving).text());
  await old(url, 'tasks/cancel', { taskId });
  assert.match(JSON.stringify((await staying).error?.data), /JOB_CANCELLED/);
  assert.deepEqual(logged, []);
});

test('methods of 2026 are unknown to a 2025 client, and the other way round', async (t) => {
  const { url } = await aTaskServer(t);
  const taskId = await submitted(url, 'nap', { ms: 60_000 });
  const update = await old(url, 'tasks/update', { taskId, inputResponses: {} });
  assert.equal(update.error?.code, -32_601);
  for (const method of ['tasks/result', 'tasks/list']) {
    const { status, error } = await modern(url, method, { taskId });
    assert.deepEqual([status, error?.code], [404, -32_601], method);
  }
});

test('what belongs to 2026 means nothing in a request of 2025', async (t) => {
  const { url } = await aTaskServer(t);
  const _meta = { 'io.modelcontextprotocol/clientCapabilities': ALL };
  const call = { name: 'nap', arguments: { ms: 60_000 }, _meta };
  const { result } = await old(url, 'tools/call', call);
  assert.equal(result.resultType, undefined);
  const taskId = result.structuredContent.data.job_id;
  const got = await old(url, 'tasks/get', { taskId, _meta });
  assert.deepEqual([got.result.ttl, got.result.ttlMs], [null, undefined]);
  const listen = { notifications: { taskIds: [taskId] } };
  for (const params of [listen, { ...listen, _meta }]) {
    assert.equal((await old(url, 'subscriptions/listen', params)).error?.code, -32_601);
  }
});

test('a question is shown as input_required, and answer_job ends the wait', async (t) => {
  const { url } = await aTaskServer(t);
  const taskId = await submitted(url, 'survey', {});
  const result = old(url, 'tasks/result', { taskId });
  const isAsking = async () => (await old(url, 'tasks/get', { taskId })).result.status;
  await until('it asks', async () => (await isAsking()) === 'input_required');
  const answers = { colour: { content: { colour: 'red' } }, size: { content: { size: 1 } } };
  await plain(url, 'answer_job', { job_id: taskId, answers });
  const open = async () =>
    (await plain(url, 'get_job_status', { job_id: taskId })).data.input_requests;
  await until('it asks again', async () => (await open())?.sure);
  await plain(url, 'answer_job', { job_id: taskId, answers: { sure: { action: 'decline' } } });
  const { structuredContent } = (await result).result;
  assert.deepEqual(structuredContent, { data: { painted: 'nothing: decline' } });
});
