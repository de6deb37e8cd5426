/** JSON-RPC over raw HTTP, in the words of either generation of MCP Tasks. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { TASKS_EXTENSION_ID_V2 } from '@modelcontextprotocol/ext-tasks/core/v2';
import type { ServeOptions, Serving } from '../../src/http.ts';
import { aServer } from '../http/fixture.ts';
import { until } from '../support/until.ts';

export const TASK_JOBS = new URL('./jobs.ts', import.meta.url);

export function aTaskServer(t: TestContext, options: Partial<ServeOptions> = {}): Promise<Serving> {
  return aServer(t, { jobs: TASK_JOBS, concurrency: 20, ...options });
}

export interface Reply {
  readonly status: number;
  // What comes back is asserted on, field by field.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly result: any;
  /** Of a notification. */
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly params?: any;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown };
}

export interface Speaker {
  readonly token?: string;
  /** Capabilities that a 2026 request declares. Default the Tasks extension and elicitation. */
  readonly capabilities?: object;
  readonly headers?: Readonly<Record<string, string>>;
}

const TASKS = { extensions: { [TASKS_EXTENSION_ID_V2]: {} } };
export const ALL = { ...TASKS, elicitation: {} };

/** The `_meta` of every request of 2026-07-28. */
export function envelopeOf(capabilities: object = ALL): object {
  return {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': capabilities,
  };
}

interface Message extends RequestInit {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export function message2026(
  method: string,
  params: Readonly<Record<string, unknown>>,
  { token = 'anna/anna/*', capabilities = ALL, headers = {} }: Speaker = {},
): Message {
  const name = params['name'] ?? params['taskId'] ?? params['uri'];
  const _meta = envelopeOf(capabilities);
  return {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      authorization: `Bearer ${token}`,
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': method,
      ...(typeof name === 'string' && { 'mcp-name': name }),
      ...headers,
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { ...params, _meta } }),
  };
}

/** Everything that came, the response at last. */
async function replies(response: Response): Promise<readonly Reply[]> {
  const text = await response.text();
  const frames = [...text.matchAll(/^data: (.+)$/gm)].map(([, data]) => data ?? '');
  return (frames.length > 0 ? frames : [text]).map((message) => {
    const parsed = JSON.parse(message) as Partial<Reply>;
    return Object.assign({ result: undefined }, parsed, { status: response.status });
  });
}

async function reply(response: Response): Promise<Reply> {
  return (await replies(response)).at(-1) as Reply;
}

/** As a client of 2026-07-28 that declares what it speaks. */
export async function modern(
  url: string,
  method: string,
  params: Readonly<Record<string, unknown>>,
  speaker?: Speaker,
): Promise<Reply> {
  return reply(await fetch(url, message2026(method, params, speaker)));
}

export function message2025(
  method: string,
  params: object,
  { token = 'anna/anna/*', headers = {} }: Speaker = {},
): Message {
  return {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      authorization: `Bearer ${token}`,
      'mcp-protocol-version': '2025-11-25',
      ...headers,
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  };
}

/** As a client of 2025-11-25. */
export async function old(
  url: string,
  method: string,
  params: object,
  speaker?: Speaker,
): Promise<Reply> {
  return reply(await fetch(url, message2025(method, params, speaker)));
}

/** Call a tool without tasks and give its structured content. */
export async function plain(url: string, name: string, args: object, speaker: Speaker = {}) {
  const { result } = await old(url, 'tools/call', { name, arguments: args }, speaker);
  assert.ok(result?.structuredContent, JSON.stringify(result));
  return result.structuredContent;
}

/** Submit as a task of 2026-07-28; gives its id. */
export async function submitted(
  url: string,
  name: string,
  args: object = {},
  speaker?: Speaker,
): Promise<string> {
  const { result } = await modern(url, 'tools/call', { name, arguments: args }, speaker);
  assert.equal(result?.resultType, 'task', JSON.stringify(result));
  return result.taskId as string;
}

/** Poll by `tasks/get` until the status is one of these. */
export async function taskThatIs(url: string, taskId: string, ...statuses: readonly string[]) {
  return until(`${taskId} is ${statuses.join(' or ')}`, async () => {
    const { result } = await modern(url, 'tasks/get', { taskId });
    return statuses.includes(result.status) && result;
  });
}
