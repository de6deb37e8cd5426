/**
 * Every kind of message of tasks, over either transport, held to the published schemas: those of the
 * extension for 2026-07-28, those of the SDK v1 for 2025-11-25. No task says more than they know.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  CallToolResultV2Schema,
  CancelTaskResultV2Schema,
  CreateTaskResultV2Schema,
  GetTaskResultV2Schema,
  InputRequiredCallToolResultV2Schema,
  TasksExtensionCapabilityV2Schema,
  TaskStatusNotificationV2Schema,
  TaskSubscriptionAcknowledgedNotificationsV2Schema,
  ToolV2Schema,
  UpdateTaskResultV2Schema,
} from '@modelcontextprotocol/ext-tasks/core/v2';
import {
  CallToolResultSchema,
  CancelTaskResultSchema,
  CreateTaskResultSchema,
  GetTaskResultSchema,
  ListTasksResultSchema,
  ListToolsResultSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { until } from '../support/until.ts';
import { TRANSPORTS, type Server } from './transports.ts';

const TASKS = 'io.modelcontextprotocol/tasks';

/** A task in each status, in this order; the two last ones do not end by themselves. */
const WAYS = {
  completed: { name: 'add', arguments: { a: 1, b: 2 } },
  refused: { name: 'refuse', arguments: {} },
  linked: { name: 'long', arguments: { length: 200_000 } },
  failed: { name: 'crash', arguments: {} },
  input_required: { name: 'survey', arguments: {} },
  working: { name: 'nap', arguments: { ms: 60_000 } },
  cancelled: { name: 'nap', arguments: { ms: 60_000 } },
} as const;
type Way = keyof typeof WAYS;

const STATUS: Readonly<Record<Way, string>> = {
  completed: 'completed',
  refused: 'completed',
  linked: 'completed',
  failed: 'failed',
  input_required: 'input_required',
  working: 'working',
  cancelled: 'cancelled',
};

const BASE = ['taskId', 'status', 'statusMessage', 'createdAt', 'lastUpdatedAt', '_meta'];
const BASE_2026 = [...BASE, 'ttlMs', 'pollIntervalMs', 'resultType'];
const BASE_2025 = [...BASE, 'ttl', 'pollInterval'];
const MORE: Readonly<Record<string, string>> = {
  completed: 'result',
  failed: 'error',
  input_required: 'inputRequests',
};

function onlyKnown(task: { readonly status: string }, base: readonly string[]): void {
  const known = [...base, MORE[task.status] ?? ''];
  const strange = Object.keys(task).filter((key) => !known.includes(key));
  assert.deepEqual(strange, [], task.status);
}

/** Poll a task until it has the status of its way. */
async function reached(server: Server, taskId: string, way: Way) {
  return until(`${way} is reached`, async () => {
    const { result: task } = await server.ask('tasks/get', { taskId });
    return task.status === STATUS[way] && task;
  });
}

/** Submit a task of each way, and wait until it is there: the next one may take the worker for good. */
async function everyWay(server: Server, submit: (way: Way) => Promise<string>) {
  const ids = {} as Record<Way, string>;
  for (const way of Object.keys(WAYS) as Way[]) {
    ids[way] = await submit(way);
    if (way === 'cancelled') await server.ask('tasks/cancel', { taskId: ids[way] });
    await reached(server, ids[way], way);
  }
  return ids;
}

async function modernTasks(server: Server): Promise<void> {
  const { result: discovered } = await server.ask('server/discover', {});
  TasksExtensionCapabilityV2Schema.parse(discovered.capabilities.extensions[TASKS]);
  for (const tool of (await server.ask('tools/list', {})).result.tools) ToolV2Schema.parse(tool);
  const asked = (await server.ask('tools/call', { name: 'consented', arguments: {} })).result;
  InputRequiredCallToolResultV2Schema.parse(asked);
  const listed = (await server.ask('tools/call', { name: 'list_jobs', arguments: {} })).result;
  CallToolResultV2Schema.parse(listed);

  const ids = await everyWay(server, async (way) => {
    const { result } = await server.ask('tools/call', WAYS[way]);
    CreateTaskResultV2Schema.parse(result);
    onlyKnown(result, BASE_2026);
    return result.taskId as string;
  });
  for (const [way, taskId] of Object.entries(ids) as [Way, string][]) {
    const task = await reached(server, taskId, way);
    GetTaskResultV2Schema.parse(task);
    onlyKnown(task, BASE_2026);
    if (task.status === 'completed') CallToolResultV2Schema.parse(task.result);
  }

  const taskIds = Object.values(ids);
  const { frames, isEnded } = await server.listen({ taskIds });
  await until('each is told as it is', () => frames().length > taskIds.length);
  const inputResponses = { colour: { action: 'decline' }, size: { action: 'cancel' } };
  const update = { taskId: ids.input_required, inputResponses };
  UpdateTaskResultV2Schema.parse((await server.ask('tasks/update', update)).result);
  for (const way of ['working', 'input_required'] as const) {
    const { result } = await server.ask('tasks/cancel', { taskId: ids[way] });
    CancelTaskResultV2Schema.parse(result);
  }
  await until('all have ended', isEnded);
  const [ack, ...told] = frames();
  const { notifications } = ack?.params ?? {};
  TaskSubscriptionAcknowledgedNotificationsV2Schema.parse(notifications);
  assert.deepEqual(notifications, { taskIds });
  const end = told.pop();
  assert.equal(end?.result.resultType, 'complete');
  const statuses = new Set<string>();
  for (const message of told) {
    TaskStatusNotificationV2Schema.parse(message);
    onlyKnown(message.params, BASE_2026);
    statuses.add(message.params.status);
  }
  assert.deepEqual([...statuses].toSorted(), [...new Set(Object.values(STATUS))].toSorted());
}

async function oldTasks(server: Server): Promise<void> {
  const { tools } = ListToolsResultSchema.parse((await server.ask('tools/list', {})).result);
  assert.equal(tools.find(({ name }) => name === 'nap')?.execution?.taskSupport, 'optional');
  const ids = await everyWay(server, async (way) => {
    const { result } = await server.ask('tools/call', { ...WAYS[way], task: { ttl: 1 } });
    CreateTaskResultSchema.parse(result);
    onlyKnown(result.task, BASE_2025);
    return result.task.taskId as string;
  });
  for (const [way, taskId] of Object.entries(ids) as [Way, string][]) {
    const task = await reached(server, taskId, way);
    GetTaskResultSchema.parse(task);
    assert.ok(!('result' in task) && !('error' in task) && !('inputRequests' in task), way);
    onlyKnown(task, BASE_2025);
    if (task.status !== 'completed') continue;
    const { result } = await server.ask('tasks/result', { taskId });
    CallToolResultSchema.parse(result);
    assert.equal(result._meta['io.modelcontextprotocol/related-task'].taskId, taskId);
    assert.equal(result.resultType, undefined);
  }
  const { result: cancelled } = await server.ask('tasks/cancel', { taskId: ids.working });
  CancelTaskResultSchema.parse(cancelled);
  onlyKnown(cancelled, BASE_2025);
  const list = ListTasksResultSchema.parse((await server.ask('tasks/list', {})).result);
  assert.equal(list.tasks.length, Object.keys(WAYS).length);
}

describe('messages of tasks fit their schemas', { concurrency: 2 }, () => {
  for (const [transport, start] of Object.entries(TRANSPORTS)) {
    test(`of 2026-07-28, over ${transport}`, async (t) => {
      await modernTasks(await start(t, '2026-07-28'));
    });
    test(`of 2025-11-25, over ${transport}`, async (t) => {
      const server = await start(t, '2025-11-25');
      await oldTasks(server);
    });
  }
});
