/** By the official tasks package, which asks the server for the generation that it speaks. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from '@modelcontextprotocol/client';
import {
  createTaskSessionFromClient,
  type CreateTaskSessionFromClientOptions,
} from '@modelcontextprotocol/ext-tasks/client';
import type { TaskId } from '@modelcontextprotocol/ext-tasks/core';
import { until } from '../support/until.ts';
import { dataOf, questionsOf } from './by-tools.ts';
import type { JobClient } from './job-client.ts';

/** What `close` of a session needs, once an execution has been let go of, not to cancel its task. */
const LET_GO_MS = 100;

export function bySession(client: Client): JobClient {
  const isModern = client.getProtocolEra() === 'modern';
  const session = createTaskSessionFromClient(
    client,
    isModern ? pastTheClient(client) : { endpointId: 'test' },
  );
  return {
    async submit(name, args) {
      const execution = await session.callTool(name, args as never, {
        task: { preference: 'require' },
      });
      if (execution.kind !== 'task') throw new Error(`${name} gave no task`);
      const { taskId } = execution.handle;
      await execution.detach();
      await pause(LET_GO_MS);
      return taskId;
    },
    async result(id) {
      const task = session.task(id as TaskId);
      await until(
        `${id} is final`,
        async () => ['completed', 'failed', 'cancelled'].includes((await task.snapshot()).status),
        { ms: 30_000, everyMs: 50 },
      );
      const outcome = await task.result();
      if (outcome.status !== 'completed') return { [outcome.status]: true };
      return (outcome.result as { structuredContent?: unknown }).structuredContent;
    },
    cancel: (id) => session.task(id as TaskId).cancel(),
    async questions(id) {
      if (!isModern) return questionsOf(client, id);
      const { raw } = await session.task(id as TaskId).snapshot();
      return Object.keys((raw['inputRequests'] ?? {}) as object);
    },
    async answer(id, answers) {
      // Of 2025-11-25 it answers only what is asked while it waits for the result itself.
      if (session.capabilities.inputResponses) await session.task(id as TaskId).updateJson(answers);
      else await dataOf(client, 'answer_job', { job_id: id, answers });
    },
    async close() {
      await session.close();
      await client.close();
    },
  };
}

/** What a host has to bring for tasks of 2026-07-28: requests past the SDK's own result types. */
function pastTheClient(client: Client): CreateTaskSessionFromClientOptions {
  const { transport } = client;
  if (transport === undefined) throw new Error('not connected');
  const waiting = new Map<unknown, (message: object) => void>();
  const toClient = transport.onmessage;
  // oxlint-disable-next-line unicorn/prefer-add-event-listener -- a transport has only this
  transport.onmessage = (message, extra) => {
    const answer = 'id' in message ? waiting.get(message.id) : undefined;
    if (answer === undefined) toClient?.call(transport, message, extra);
    else answer(message);
  };
  return {
    endpointId: 'test',
    v2RequestFraming: {
      protocolVersion: '2026-07-28',
      clientInfo: { name: 'test', version: '1.0.0' },
      clientCapabilities: { elicitation: {} },
    },
    rawDispatch: async (request) => {
      const id = `past-${waiting.size}`;
      const answered = new Promise<object>((resolve) => {
        waiting.set(id, resolve);
      });
      await transport.send({ jsonrpc: '2.0', id, ...(request as { method: string }) });
      const { result, error } = (await answered) as { result?: never; error?: never };
      return error ? { kind: 'error', error } : { kind: 'result', result: result as never };
    },
  };
}
