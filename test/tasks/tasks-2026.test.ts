/** MCP Tasks of 2026-07-28 over raw HTTP; every message is held to the published schemas. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CallToolResultV2Schema,
  CancelTaskResultV2Schema,
  CreateTaskResultV2Schema,
  GetTaskResultV2Schema,
  UpdateTaskResultV2Schema,
} from '@modelcontextprotocol/ext-tasks/core/v2';
import { Ajv } from 'ajv';
import { now } from '../../src/job/clock.ts';
import { aJob } from '../support/a-job.ts';
import { tempStore } from '../support/temp.ts';
import { until } from '../support/until.ts';
import { aTaskServer, modern, old, plain, submitted, taskThatIs } from './wire.ts';

const TASKS_ONLY = { extensions: { 'io.modelcontextprotocol/tasks': {} } };

test('a declaring request gets a flat task and nothing else', async (t) => {
  const { url } = await aTaskServer(t);
  const args = { name: 'nap', arguments: { ms: 60_000 } };
  const { result } = await modern(url, 'tools/call', args);
  CreateTaskResultV2Schema.parse(result);
  assert.deepEqual(Object.keys(result).toSorted(), [
    '_meta',
    'createdAt',
    'lastUpdatedAt',
    'pollIntervalMs',
    'resultType',
    'status',
    'taskId',
    'ttlMs',
  ]);
  assert.equal(result.status, 'working');
  assert.equal(result.ttlMs, null);
  assert.equal(result.pollIntervalMs, 1_000);
});

test('a request that declares nothing gets the plain handle, and tasks/* is refused', async (t) => {
  const { url } = await aTaskServer(t);
  const nobody = { capabilities: {} };
  const call = { name: 'add', arguments: { a: 1, b: 2 } };
  const { result } = await modern(url, 'tools/call', call, nobody);
  assert.equal(result.structuredContent.data.status, 'queued');
  assert.equal(result.resultType, 'complete');
  const taskId = result.structuredContent.data.job_id;
  for (const method of ['tasks/get', 'tasks/update', 'tasks/cancel']) {
    const refused = await modern(url, method, { taskId, inputResponses: {} }, nobody);
    assert.equal(refused.error?.code, -32_021, method);
    assert.equal(refused.status, 400);
    assert.deepEqual(refused.error?.data, { requiredCapabilities: TASKS_ONLY });
  }
  assert.equal((await taskThatIs(url, taskId, 'completed')).taskId, taskId);
});

test('a completed task has the tool result in it, as get_job_status has', async (t) => {
  const { url, publicUrl } = await aTaskServer(t);
  const taskId = await submitted(url, 'add', { a: 1, b: 2 });
  const task = await taskThatIs(url, taskId, 'completed');
  GetTaskResultV2Schema.parse(task);
  CallToolResultV2Schema.parse(task.result);
  const result = { sum: 3, link: `${publicUrl}/sums/3` };
  assert.deepEqual(task.result.structuredContent, { data: result });
  assert.equal(task.result.content[0].text, JSON.stringify({ data: result }));
  assert.equal(task.pollIntervalMs, undefined);
  const view = (await plain(url, 'get_job_status', { job_id: taskId })).data;
  assert.deepEqual(view.result, result);
  assert.equal(view.completed_at, task.lastUpdatedAt);
  const kept = Date.parse(view.completed_at) - Date.parse(view.enqueued_at) + 2_592_000_000;
  assert.ok(Math.abs(task.ttlMs - kept) < 1_000, `${task.ttlMs} ${kept}`);
});

test('how often to ask follows the age of the job, on every surface', async (t) => {
  const store = await tempStore(t);
  const { url } = await aTaskServer(t, { db: store, workers: 0, inProcess: false });
  for (const [ageMs, pollMs] of [
    [5_000, 1_000],
    [30_000, 5_000],
    [90_000, 30_000],
  ] as const) {
    const createdAt = now() - ageMs;
    const job = aJob({ tool: 'add', team: 'anna', owner: 'anna', createdAt });
    const { id: taskId } = await store.insert(job, 0);
    assert.equal((await modern(url, 'tasks/get', { taskId })).result.pollIntervalMs, pollMs);
    assert.equal((await old(url, 'tasks/get', { taskId })).result.pollInterval, pollMs);
    const view = (await plain(url, 'get_job_status', { job_id: taskId })).data;
    assert.equal(view.poll_after_ms, pollMs);
  }
});

test('a result that is too long for an answer is given by link', async (t) => {
  const { url } = await aTaskServer(t);
  const taskId = await submitted(url, 'long', { length: 200_000 });
  const task = await taskThatIs(url, taskId, 'completed');
  GetTaskResultV2Schema.parse(task);
  const { content, structuredContent } = task.result;
  const { result, result_uri: uri, result_bytes: bytes, ...view } = structuredContent.data;
  assert.deepEqual([view.job_id, view.status, result], [taskId, 'completed', null]);
  assert.equal(bytes, 200_011);
  assert.equal(content[0].text, JSON.stringify(structuredContent));
  assert.deepEqual(
    [content[1].type, content[1].uri, content[1].size],
    ['resource_link', uri, bytes],
  );
  assert.ok(JSON.stringify(task).length < 2_000);
  const after = await old(url, 'tasks/result', { taskId });
  assert.deepEqual(after.result.structuredContent, structuredContent);
  const { tools } = (await old(url, 'tools/list', {})).result;
  const { outputSchema } = tools.find(({ name }: { name: string }) => name === 'long');
  assert.ok(new Ajv({ strict: false }).validate(outputSchema, structuredContent));
});

test('progress is in the message of a task, and in its _meta under a name of ours', async (t) => {
  const { url } = await aTaskServer(t);
  const taskId = await submitted(url, 'nap', { ms: 60_000 });
  const told = await until('progress is told', async () => {
    const { result } = await modern(url, 'tasks/get', { taskId });
    return result.statusMessage === 'asleep' && result;
  });
  GetTaskResultV2Schema.parse(told);
  const progress = { done: 0, total: 1, message: 'asleep', percent: 0 };
  assert.deepEqual(told._meta['mcp-async-jobs/progress'], progress);
  const { _meta } = (await old(url, 'tasks/get', { taskId })).result;
  assert.deepEqual(_meta, { 'mcp-async-jobs/progress': progress });
});

test('a replay is the same task, and says that it is one', async (t) => {
  const { url } = await aTaskServer(t);
  const call = { name: 'nap', arguments: { ms: 60_000, idempotency_key: 'k' } };
  const replayed = (of: { _meta?: Record<string, unknown> }) =>
    of._meta?.['mcp-async-jobs/replayed'];
  const first = (await modern(url, 'tools/call', call)).result;
  const second = (await modern(url, 'tools/call', call)).result;
  const third = (await old(url, 'tools/call', { ...call, task: {} })).result;
  assert.deepEqual([second.taskId, third.task.taskId], [first.taskId, first.taskId]);
  assert.deepEqual([first, second, third].map(replayed), [undefined, true, true]);
  CreateTaskResultV2Schema.parse(second);
});

test('what the handler refuses is completed with isError, a fault is failed', async (t) => {
  const { url } = await aTaskServer(t);
  const refused = await taskThatIs(url, await submitted(url, 'refuse'), 'completed', 'failed');
  GetTaskResultV2Schema.parse(refused);
  assert.equal(refused.status, 'completed');
  assert.equal(refused.result.isError, true);
  assert.equal(refused.result.structuredContent.error.code, 'OUT_OF_PAPER');
  const broken = await taskThatIs(url, await submitted(url, 'crash'), 'completed', 'failed');
  GetTaskResultV2Schema.parse(broken);
  assert.equal(broken.status, 'failed');
  assert.equal(broken.error.code, -32_603);
  assert.equal(broken.error.data.error.code, 'ATTEMPTS_EXHAUSTED');
  assert.ok(!JSON.stringify(broken).includes('secret'));
  for (const task of [refused, broken]) {
    const view = (await plain(url, 'get_job_status', { job_id: task.taskId })).data;
    assert.equal(view.status, 'failed');
  }
});

test('cancel is an empty ack, at once, and again', async (t) => {
  const { url } = await aTaskServer(t);
  const taskId = await submitted(url, 'nap', { ms: 60_000 });
  for (const _ of ['first', 'again']) {
    const { result } = await modern(url, 'tasks/cancel', { taskId });
    CancelTaskResultV2Schema.parse(result);
    assert.deepEqual(Object.keys(result).toSorted(), ['_meta', 'resultType']);
    const { result: task } = await modern(url, 'tasks/get', { taskId });
    assert.equal(task.status, 'cancelled');
    GetTaskResultV2Schema.parse(task);
  }
  const view = (await plain(url, 'get_job_status', { job_id: taskId })).data;
  assert.equal(view.error.code, 'JOB_CANCELLED');
});

test('questions are answered one by one or together, by tasks/update or by answer_job', async (t) => {
  const { url } = await aTaskServer(t);
  const taskId = await submitted(url, 'survey');
  const asked = await taskThatIs(url, taskId, 'input_required');
  GetTaskResultV2Schema.parse(asked);
  assert.deepEqual(Object.keys(asked.inputRequests).toSorted(), ['colour', 'size']);
  const colour = { action: 'accept', content: { colour: 'red' } };
  const { result } = await modern(url, 'tasks/update', { taskId, inputResponses: { colour } });
  UpdateTaskResultV2Schema.parse(result);
  const { result: half } = await modern(url, 'tasks/get', { taskId });
  assert.deepEqual([half.status, Object.keys(half.inputRequests)], ['input_required', ['size']]);

  const view = (await plain(url, 'get_job_status', { job_id: taskId })).data;
  assert.equal(view.status, 'running');
  assert.deepEqual(Object.keys(view.input_requests), ['size']);
  const answers = { size: { content: { size: 3 } }, colour: { content: { colour: 'green' } } };
  await plain(url, 'answer_job', { job_id: taskId, answers });

  const again = await taskThatIs(url, taskId, 'input_required');
  assert.deepEqual(Object.keys(again.inputRequests), ['sure']);
  const sure = { action: 'accept', content: { sure: true } };
  await modern(url, 'tasks/update', { taskId, inputResponses: { sure, unknown: { n: 1 } } });
  const task = await taskThatIs(url, taskId, 'completed');
  assert.equal(task.result.structuredContent.data.painted, 'red in size 3');
});

test('an answer that does not fit is refused and changes nothing', async (t) => {
  const { url } = await aTaskServer(t);
  const taskId = await submitted(url, 'survey');
  await taskThatIs(url, taskId, 'input_required');
  const wrong = [
    { size: { action: 'accept', content: { size: 0 } } },
    { size: { action: 'accept', content: {} } },
    { size: { action: 'perhaps' } },
    { size: 7 },
    { size: null },
  ];
  for (const inputResponses of wrong) {
    const both = { colour: { action: 'accept', content: { colour: 'red' } }, ...inputResponses };
    const { error } = await modern(url, 'tasks/update', { taskId, inputResponses: both });
    assert.equal(error?.code, -32_602, JSON.stringify(inputResponses));
  }
  assert.equal((await modern(url, 'tasks/update', { taskId })).error?.code, -32_602);
  for (const inputResponses of [[], [1], null, 'red', 7, true]) {
    const { error } = await modern(url, 'tasks/update', { taskId, inputResponses });
    assert.equal(error?.code, -32_602, JSON.stringify(inputResponses));
    assert.match(error?.message ?? '', /inputResponses must be an object/);
  }
  const { result } = await modern(url, 'tasks/get', { taskId });
  assert.deepEqual(Object.keys(result.inputRequests).toSorted(), ['colour', 'size']);
  const { error } = await plain(url, 'answer_job', {
    job_id: taskId,
    answers: { size: { content: { size: 'big' } } },
  });
  assert.deepEqual(Object.keys(error.fields), ['size.content.size']);
});

test('a definition that wants tasks is refused to others with -32021', async (t) => {
  const { url } = await aTaskServer(t);
  const call = { name: 'tasks_only', arguments: {} };
  const refused = await modern(url, 'tools/call', call, { capabilities: { elicitation: {} } });
  assert.deepEqual([refused.status, refused.error?.code], [400, -32_021]);
  assert.equal((await old(url, 'tools/call', call)).error?.code, -32_021);
  const list = await plain(url, 'list_jobs', {});
  assert.deepEqual(list.data, []);
  await taskThatIs(url, await submitted(url, 'tasks_only'), 'completed');
});

test('prepare asks those who can be asked, over as many rounds as it needs', async (t) => {
  const { url } = await aTaskServer(t);
  const call = { name: 'consented', arguments: {} };
  const first = (await modern(url, 'tools/call', call)).result;
  assert.equal(first.resultType, 'input_required');
  assert.deepEqual(Object.keys(first.inputRequests), ['colour']);
  const colour = { action: 'accept', content: { colour: 'red' } };
  const second = (await modern(url, 'tools/call', { ...call, inputResponses: { colour } })).result;
  assert.deepEqual(Object.keys(second.inputRequests), ['sure']);
  const { requestState } = second;
  const sure = { action: 'accept', content: { sure: true } };
  const last = { ...call, inputResponses: { sure }, requestState };
  const { result } = await modern(url, 'tools/call', last);
  assert.equal(result.resultType, 'task');
  const task = await taskThatIs(url, result.taskId, 'completed');
  assert.deepEqual(task.result.structuredContent, { data: { carried: 'red' } });

  const mute = await modern(url, 'tools/call', call, { capabilities: TASKS_ONLY });
  assert.equal(mute.result.structuredContent.error.code, 'VALIDATION_FAILED');
  const { error } = (await old(url, 'tools/call', call)).result.structuredContent;
  assert.equal(error.code, 'VALIDATION_FAILED');
  assert.equal((await plain(url, 'list_jobs', {})).data.length, 1);
});

test('server/discover advertises the extension and no tasks of 2025', async (t) => {
  const { url } = await aTaskServer(t);
  const { result } = await modern(url, 'server/discover', {});
  assert.deepEqual(result.capabilities.extensions, TASKS_ONLY.extensions);
  assert.equal(result.capabilities.tasks, undefined);
  const { result: list } = await modern(url, 'tools/list', {});
  assert.ok(list.tools.every((tool: object) => !('execution' in tool)));
});
