import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stateOfTask } from './tasks.ts';

const completed = (data: object) =>
  stateOfTask({
    taskId: 'mjb_1',
    status: 'completed',
    result: { content: [], structuredContent: { data: { ...data } } },
  });

test('the result of a task is the data of its answer', () => {
  assert.deepEqual(completed({ sum: 3 }).result, { sum: 3 });
  assert.deepEqual(completed({ result: null }).result, { result: null });
});

test('a result that is too long for a task is told by its link', () => {
  const link = { result_uri: 'jobs://1', result_url: 'http://here/1' };
  const state = completed({ job_id: 'mjb_1', status: 'completed', result: null, ...link });
  const { status, result, result_uri: uri, result_url: url } = state;
  const told = { status, result, result_uri: uri, result_url: url };
  assert.deepEqual(told, { status: 'completed', result: null, ...link });
});
