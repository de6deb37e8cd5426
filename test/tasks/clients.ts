/**
 * Clients that others wrote, each with its own way to a job, behind one interface. Every call may
 * come from another instance than the one before: nothing but the id is carried over.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import {
  createTaskSessionFromClient,
  type CreateTaskSessionFromClientOptions,
  type TaskEnabledSession,
} from '@modelcontextprotocol/ext-tasks/client';
import type { TaskId } from '@modelcontextprotocol/ext-tasks/core';
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as OldTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { CallToolResultSchema } from '@modelcontextprotocol/sdk/types.js';
import { until } from '../support/until.ts';

type Args = Record<string, unknown>;
export type Answers = Record<
  string,
  { action: string; content?: Record<string, string | number | boolean> }
>;

export interface JobClient {
  submit(name: string, args: Args): Promise<string>;
  /** Structured content of the tool's result, once the job is final; `{ cancelled }` if it was. */
  result(id: string): Promise<unknown>;
  cancel(id: string): Promise<void>;
  answer(id: string, answers: Answers): Promise<void>;
  close(): Promise<void>;
}

interface Tools {
  call(name: string, args: Args): Promise<{ structuredContent?: unknown }>;
  close(): Promise<void>;
}

const info = { name: 'test', version: '1.0.0' };

/** By `job_id` and `get_job_status`, as every client can. */
function byTools(tools: Tools): JobClient {
  const data = async (name: string, args: Args) =>
    ((await tools.call(name, args)).structuredContent as { data: Record<string, unknown> }).data;
  return {
    submit: async (name, args) => String((await data(name, args))['job_id']),
    result: (id) =>
      until(
        `${id} is final`,
        async () => {
          const job = await data('get_job_status', { job_id: id, wait_seconds: 1 });
          if (job['status'] === 'completed') return { data: job['result'] };
          const { code } = (job['error'] ?? {}) as { code?: string };
          if (code === 'JOB_CANCELLED') return { cancelled: true };
          return code === undefined ? false : { error: job['error'] };
        },
        { ms: 30_000 },
      ),
    cancel: async (id) => void (await data('cancel_job', { job_id: id })),
    answer: async (id, answers) => void (await data('answer_job', { job_id: id, answers })),
    close: () => tools.close(),
  };
}

async function v2(url: string, mode: 'legacy' | { pin: '2026-07-28' }): Promise<Client> {
  const client = new Client(info, { versionNegotiation: { mode } });
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  return client;
}

async function v1(url: string): Promise<OldClient> {
  const client = new OldClient(info);
  await client.connect(new OldTransport(new URL(url)));
  return client;
}

const toolsOf = (client: Client | OldClient): Tools => ({
  call: async (name, args) =>
    (await client.callTool({ name, arguments: args })) as { structuredContent?: unknown },
  close: () => client.close(),
});

/** By the official tasks package, which asks the server for the generation that it speaks. */
function bySession(client: Client, session: TaskEnabledSession): JobClient {
  return {
    async submit(name, args) {
      const execution = await session.callTool(name, args as never, {
        task: { preference: 'require' },
      });
      if (execution.kind !== 'task') throw new Error(`${name} gave no task`);
      const { taskId } = execution.handle;
      await execution.detach();
      // Closed at once, the session would still cancel what it has let go of.
      await pause(100);
      return taskId;
    },
    async result(id) {
      await until(
        `${id} is final`,
        async () => {
          const { status } = await session.task(id as TaskId).snapshot();
          return ['completed', 'failed', 'cancelled'].includes(status);
        },
        { ms: 30_000, everyMs: 50 },
      );
      const outcome = await session.task(id as TaskId).result();
      if (outcome.status !== 'completed') return { [outcome.status]: true };
      return (outcome.result as { structuredContent?: unknown }).structuredContent;
    },
    cancel: (id) => session.task(id as TaskId).cancel(),
    async answer(id, answers) {
      if (session.capabilities.inputResponses) await session.task(id as TaskId).updateJson(answers);
      else await client.callTool({ name: 'answer_job', arguments: { job_id: id, answers } });
    },
    async close() {
      await session.close();
      await client.close();
    },
  };
}

/** What a host has to bring for tasks of 2026-07-28: requests past the SDK's own result types. */
function modernOptions(url: string): CreateTaskSessionFromClientOptions {
  let last = 0;
  return {
    endpointId: 'test',
    v2RequestFraming: {
      protocolVersion: '2026-07-28',
      clientInfo: info,
      clientCapabilities: { elicitation: {} },
    },
    rawDispatch: async (request, options) => {
      const { method, params } = request as {
        method: string;
        params: { name?: string; taskId?: string };
      };
      const headers = new Headers(options?.context?.headers);
      headers.set('content-type', 'application/json');
      headers.set('accept', 'application/json, text/event-stream');
      headers.set('mcp-protocol-version', '2026-07-28');
      headers.set('mcp-method', method);
      headers.set('mcp-name', params.name ?? params.taskId ?? '');
      const body = JSON.stringify({ jsonrpc: '2.0', id: (last += 1), method, params });
      const signal = options?.signal ?? null;
      const response = await fetch(url, { method: 'POST', headers, body, signal });
      const text = await response.text();
      const { result, error } = JSON.parse(/^data: (.*)$/m.exec(text)?.[1] ?? text);
      return error ? { kind: 'error', error } : { kind: 'result', result };
    },
  };
}

/** By the tasks of the v1 SDK. */
function byOldTasks(client: OldClient): JobClient {
  const { tasks } = client.experimental;
  return {
    async submit(name, args) {
      const stream = tasks.callToolStream({ name, arguments: args }, CallToolResultSchema, {
        task: {},
      });
      for await (const message of stream) {
        if (message.type === 'taskCreated') return message.task.taskId;
        if (message.type === 'error') throw message.error;
      }
      throw new Error(`${name} gave no task`);
    },
    async result(id) {
      const { status } = await until(
        `${id} is final`,
        async () => {
          const task = await tasks.getTask(id);
          return ['completed', 'failed', 'cancelled'].includes(task.status) && task;
        },
        { ms: 30_000, everyMs: 50 },
      );
      if (status !== 'completed') return { [status]: true };
      return (await tasks.getTaskResult(id, CallToolResultSchema)).structuredContent;
    },
    cancel: async (id) => void (await tasks.cancelTask(id)),
    answer: async (id, answers) =>
      void (await client.callTool({ name: 'answer_job', arguments: { job_id: id, answers } })),
    close: () => client.close(),
  };
}

export const CLIENTS: Readonly<Record<string, (url: string) => Promise<JobClient>>> = {
  'the v2 SDK client, 2026-07-28': async (url) =>
    byTools(toolsOf(await v2(url, { pin: '2026-07-28' }))),
  'the v2 SDK client, 2025-11-25': async (url) => byTools(toolsOf(await v2(url, 'legacy'))),
  'the v1 SDK client': async (url) => byTools(toolsOf(await v1(url))),
  'the tasks of the v1 SDK client': async (url) => byOldTasks(await v1(url)),
  'ext-tasks, 2026-07-28': async (url) => {
    const client = await v2(url, { pin: '2026-07-28' });
    return bySession(client, createTaskSessionFromClient(client, modernOptions(url)));
  },
  'ext-tasks, 2025-11-25': async (url) => {
    const client = await v2(url, 'legacy');
    return bySession(client, createTaskSessionFromClient(client, { endpointId: 'test' }));
  },
};
