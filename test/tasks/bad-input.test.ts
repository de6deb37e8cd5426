/** What is malformed, oversized, of the wrong era or about somebody else's job: the exact error, and nothing changed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newId } from '../../src/job/ids.ts';
import { tablesOf } from '../hostile/rows.ts';
import { until } from '../support/until.ts';
import { TRANSPORTS } from './transports.ts';
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

type Bad = readonly [method: string, params: object, error: number | string];

const tool = (name: string, args: unknown): object => ({ name, arguments: args });
const IDS = ['', 'nonsense', 'x'.repeat(5_000), 'mjb_', "mjb_' OR 1=1 --"];
const MANY = Object.fromEntries(
  Array.from({ length: 2_000 }, (_, i) => [`k${i}`, { action: 'accept' }]),
);

/** What is answered in either generation. @param id of a job that asks for a colour */
const EVER = (id: string): readonly Bad[] => [
  ...IDS.map((taskId): Bad => ['tasks/get', { taskId }, -32_602]),
  ...IDS.map((taskId): Bad => ['tasks/cancel', { taskId }, -32_602]),
  ['tasks/get', {}, -32_602],
  ['tasks/nonsense', { taskId: id }, -32_601],
  ['tools/call', tool('nonsense', {}), -32_602],
  ['tools/call', tool('nap', { ms: -1 }), 'VALIDATION_FAILED'],
  ['tools/call', tool('nap', 5), 'VALIDATION_FAILED'],
  ['tools/call', tool('long', { length: 'x'.repeat(300_000) }), 'VALIDATION_FAILED'],
  ...['get_job_status', 'cancel_job', 'answer_job'].flatMap((name): readonly Bad[] => {
    const more = name === 'answer_job' && { answers: {} };
    return [
      ['tools/call', tool(name, { job_id: 'nonsense', ...more }), 'RESOURCE_NOT_FOUND'],
      ['tools/call', tool(name, { job_id: 'x'.repeat(300_000), ...more }), 'RESOURCE_NOT_FOUND'],
      ['tools/call', tool(name, { job_id: '', ...more }), 'VALIDATION_FAILED'],
      ['tools/call', tool(name, { job_id: 5, ...more }), 'VALIDATION_FAILED'],
      ['tools/call', tool(name, {}), 'VALIDATION_FAILED'],
    ];
  }),
  ['tools/call', tool('answer_job', { job_id: id, answers: 5 }), 'VALIDATION_FAILED'],
  [
    'tools/call',
    tool('answer_job', { job_id: id, answers: { colour: 'red' } }),
    'VALIDATION_FAILED',
  ],
  [
    'tools/call',
    tool('answer_job', {
      job_id: id,
      answers: { colour: { content: { colour: 'x'.repeat(300_000) } } },
    }),
    'VALIDATION_FAILED',
  ],
  ['tools/call', tool('list_jobs', { cursor: 'nonsense' }), 'VALIDATION_FAILED'],
  ['tools/call', tool('list_jobs', { limit: 1_000 }), 'VALIDATION_FAILED'],
];

const MODERN = (id: string): readonly Bad[] => [
  ['tasks/result', { taskId: id }, -32_601],
  ['tasks/list', {}, -32_601],
  ['tasks/update', { taskId: id }, -32_602],
  ['tasks/update', { taskId: id, inputResponses: { colour: { action: 'accept' } } }, -32_602],
  ['tasks/update', { taskId: 'nonsense', inputResponses: MANY }, -32_602],
  ...[Array.from({ length: 10_000 }, () => id), id, [5], {}].map((taskIds): Bad => [
    'subscriptions/listen',
    { notifications: { taskIds } },
    -32_602,
  ]),
];

const OLD = (id: string): readonly Bad[] => [
  ...[...IDS, 'mjb_\u0000'].map((taskId): Bad => ['tasks/result', { taskId }, -32_602]),
  ['tasks/result', {}, -32_602],
  ['tasks/update', { taskId: id, inputResponses: answers }, -32_601],
  ['subscriptions/listen', { notifications: { taskIds: [id] } }, -32_601],
  ['server/discover', {}, -32_601],
  ['tasks/list', { cursor: 'nonsense' }, -32_602],
  ['tasks/list', { cursor: 'x'.repeat(300_000) }, -32_602],
  ['tools/call', { ...tool('nap', { ms: 1 }), task: 5 }, -32_602],
  ['tools/call', { ...tool('get_job_status', { job_id: id }), task: {} }, -32_601],
];

for (const [transport, start] of Object.entries(TRANSPORTS)) {
  for (const [era, own] of [
    ['2026-07-28', MODERN],
    ['2025-11-25', OLD],
  ] as const) {
    test(`bad input of ${era}, over ${transport}: the exact error, and nothing changed`, async (t) => {
      const server = await start(t, era);
      const survey = await server.ask('tools/call', { ...tool('survey', {}), task: {} });
      const id = (survey.result.taskId ?? survey.result.task.taskId) as string;
      await until('it asks', async () => {
        const { result } = await server.ask('tasks/get', { taskId: id });
        return result.status === 'input_required';
      });
      const before = tablesOf(server.db);
      for (const [method, params, expected] of [...EVER(id), ...own(id)]) {
        const { result, error } = await server.ask(method, params as Record<string, unknown>);
        const told = error?.code ?? result?.structuredContent?.error?.code;
        const about = `${method} ${JSON.stringify(params)}`.slice(0, 120);
        assert.equal(told, expected, `${about}: ${JSON.stringify(result ?? error).slice(0, 300)}`);
        assert.ok(JSON.stringify(error ?? result).length < 3_000, about);
      }
      if (era === '2026-07-28') {
        const params = { taskId: id, inputResponses: MANY };
        assert.equal((await server.ask('tasks/update', params)).result.resultType, 'complete');
      }
      assert.deepEqual(tablesOf(server.db), before);
    });
  }
}

function withoutPace(task: object): object {
  return { ...task, pollIntervalMs: null };
}
