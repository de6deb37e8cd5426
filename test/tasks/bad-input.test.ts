/** Ids that are malformed, unknown or somebody else's: one answer for all, and nothing changed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newId } from '../../src/job/ids.ts';
import { aTaskServer, modern, old, plain, submitted, taskThatIs } from './wire.ts';

const answers = { colour: { action: 'accept', content: { colour: 'red' } } };

test('unknown, malformed and foreign task ids: the same bytes, and nothing changed', async (t) => {
  const { url } = await aTaskServer(t);
  const taskId = await submitted(url, 'survey');
  const before = await taskThatIs(url, taskId, 'input_required');
  const strangers = [
    [taskId, 'anna/bert/*'],
    [taskId, 'bert/anna/*'],
    [newId('mjb'), 'anna/anna/*'],
    ['', 'anna/anna/*'],
    ['nonsense', 'anna/anna/*'],
    ['x'.repeat(300), 'anna/anna/*'],
  ] as const;
  const said = new Set<string>();
  for (const [id, token] of strangers) {
    for (const method of ['tasks/get', 'tasks/update', 'tasks/cancel']) {
      const params = { taskId: id, inputResponses: answers };
      const { error, status } = await modern(url, method, params, { token });
      assert.equal(error?.code, -32_602, `${method} ${id}`);
      said.add(JSON.stringify([status, error]));
    }
    for (const method of ['tasks/get', 'tasks/result', 'tasks/cancel']) {
      const { error, status } = await old(url, method, { taskId: id }, { token });
      said.add(JSON.stringify([status, error]));
    }
  }
  assert.deepEqual(said.size, 1, [...said].join('\n'));
  const { result } = await modern(url, 'tasks/get', { taskId });
  assert.deepEqual(withoutPace(result), withoutPace(before));
});

test('who may see the jobs of the team may neither cancel nor answer them', async (t) => {
  const { url } = await aTaskServer(t);
  const taskId = await submitted(url, 'survey');
  await taskThatIs(url, taskId, 'input_required');
  const token = 'anna/bert/job:view-any,*';
  const { result } = await modern(url, 'tasks/get', { taskId }, { token });
  assert.equal(result.status, 'input_required');
  for (const method of ['tasks/update', 'tasks/cancel']) {
    const params = { taskId, inputResponses: answers };
    assert.equal((await modern(url, method, params, { token })).error?.code, -32_602, method);
  }
  for (const name of ['cancel_job', 'answer_job']) {
    const args = { job_id: taskId, ...(name === 'answer_job' && { answers }) };
    const { error } = await plain(url, name, args, { token });
    assert.equal(error.code, 'RESOURCE_NOT_FOUND', name);
  }
  const after = (await modern(url, 'tasks/get', { taskId })).result;
  assert.deepEqual(Object.keys(after.inputRequests).toSorted(), ['colour', 'size']);
});

test('params of the wrong kind are -32602', async (t) => {
  const { url } = await aTaskServer(t);
  for (const taskId of [undefined, null, 7, [], {}]) {
    for (const method of ['tasks/get', 'tasks/result', 'tasks/cancel']) {
      const { error } = await old(url, method, { taskId });
      assert.equal(error?.code, -32_602, `${method} ${JSON.stringify(taskId)}`);
    }
  }
  assert.equal((await old(url, 'tasks/list', { cursor: 7 })).error?.code, -32_602);
});

test('Mcp-Name is held against the task id', async (t) => {
  const { url } = await aTaskServer(t);
  const taskId = await submitted(url, 'nap', { ms: 60_000 });
  for (const method of ['tasks/get', 'tasks/update', 'tasks/cancel']) {
    const headers = { 'mcp-name': newId('mjb') };
    const params = { taskId, inputResponses: {} };
    const { status, error } = await modern(url, method, params, { headers });
    assert.deepEqual([status, error?.code], [400, -32_020], method);
  }
  assert.equal((await modern(url, 'tasks/get', { taskId })).result.status, 'working');
});

function withoutPace(task: object): object {
  return { ...task, pollIntervalMs: null };
}
