/**
 * Hosts that speak MCP Tasks: the model calls a tool once, and the host asks after the task by
 * itself. Plain HTTP, since the SDK's client has no such method.
 */
import { setTimeout as rest } from 'node:timers/promises';
import { monotonic } from '../src/job/clock.ts';
import { pollDelayMs, type Json } from '../src/index.ts';
import { textOf, type Answer, type Surface, type ToolSeen } from './turns-agent.ts';

type Members = { readonly [key: string]: Json };

interface Wire {
  readonly url: string;
  readonly token: string;
}

/** Asks with JSON-RPC, and keeps the lengths of the answers. */
class Talk {
  readonly bytes: number[] = [];
  readonly #wire: Wire;
  readonly #version: '2026-07-28' | '2025-11-25';

  constructor(wire: Wire, version: Talk['version']) {
    this.#wire = wire;
    this.#version = version;
  }

  get version(): '2026-07-28' | '2025-11-25' {
    return this.#version;
  }

  async ask(method: string, params: Members): Promise<Members> {
    const response = await fetch(this.#wire.url, {
      method: 'POST',
      headers: { ...this.#headers(method, params) },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: this.#enveloped(params) }),
    });
    const text = await response.text();
    this.bytes.push(Buffer.byteLength(text));
    const data = [...text.matchAll(/^data: (.+)$/gm)].at(-1)?.[1] ?? text;
    const { result, error } = JSON.parse(data) as { result?: Members; error?: Json };
    if (result === undefined) throw new Error(`${method}: ${JSON.stringify(error)}`);
    return result;
  }

  #headers(method: string, params: Members): Record<string, string> {
    const common = {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      authorization: `Bearer ${this.#wire.token}`,
      'mcp-protocol-version': this.#version,
    };
    if (this.#version === '2025-11-25') return common;
    const name = textOf(params['name'] ?? params['taskId']);
    return { ...common, 'mcp-method': method, ...(name !== '' && { 'mcp-name': name }) };
  }

  #enveloped(params: Members): Members {
    if (this.#version === '2025-11-25') return params;
    const _meta = {
      'io.modelcontextprotocol/protocolVersion': this.#version,
      'io.modelcontextprotocol/clientInfo': { name: 'host', version: '1' },
      'io.modelcontextprotocol/clientCapabilities': {
        extensions: { 'io.modelcontextprotocol/tasks': {} },
      },
    };
    return { ...params, _meta };
  }
}

/** A host of 2026-07-28: asks with `tasks/get`, as often as the task says, or by its own cadence. */
export async function host2026(wire: Wire, hints: boolean): Promise<Surface> {
  return surface('tasks, 2026-07-28', wire, async (talk, params) => {
    const startedAt = monotonic();
    let task = await talk.ask('tools/call', params);
    const taskId = textOf(task['taskId']);
    while (task['status'] === 'working') {
      const hint = hints ? task['pollIntervalMs'] : null;
      await rest(typeof hint === 'number' ? hint : pollDelayMs(monotonic() - startedAt));
      task = await talk.ask('tasks/get', { taskId });
    }
    return { status: textOf(task['status']), result: (task['result'] ?? {}) as Members };
  });
}

/** A host of 2025-11-25: one `tasks/result` that is answered when the task has ended. */
export async function host2025(wire: Wire): Promise<Surface> {
  return surface('tasks, 2025-11-25', wire, async (talk, params) => {
    const { task } = await talk.ask('tools/call', { ...params, task: {} });
    const { taskId } = task as { readonly taskId: string };
    return { status: 'completed', result: await talk.ask('tasks/result', { taskId }) };
  });
}

type Call = (talk: Talk, params: Members) => Promise<{ status: string; result: Members }>;

async function surface(name: Surface['name'], wire: Wire, call: Call): Promise<Surface> {
  const version = name.endsWith('2026-07-28') ? '2026-07-28' : '2025-11-25';
  const { tools } = await new Talk(wire, version).ask('tools/list', {});
  return {
    name,
    tools: tools as unknown as readonly ToolSeen[],
    async call(tool, args): Promise<Answer> {
      const talk = new Talk(wire, version);
      const { status, result } = await call(talk, { name: tool, arguments: args });
      const isFailed = result['isError'] === true || !('structuredContent' in result);
      return { data: { status: isFailed ? 'failed' : status }, bytes: talk.bytes };
    },
  };
}
