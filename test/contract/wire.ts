/**
 * MCP over HTTP with nothing but fetch, so that what is checked is the wire and not a client's
 * reading of it. Speaks both protocol revisions without a handshake; either may be answered as JSON
 * or as an event stream. A malformed or missing answer is an AssertionError.
 */
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';

export type Era = '2025-11-25' | '2026-07-28';

export type Fields = Readonly<Record<string, unknown>>;

/** Where to send a request and as whom. */
export interface Peer {
  /** Ends in `/mcp`. Read afresh for each request, because a restarted server may have moved. */
  readonly url: string;
  readonly token: string;
  /** Told of each tool call that was answered. */
  readonly observe?: ((tool: string, ms: number) => void) | undefined;
}

export interface RequestOptions {
  /** Default 2025-11-25. */
  readonly era?: Era;
  /** Sent as `Mcp-Session-Id`, if not null. */
  readonly session?: string | null;
  /** An answer that takes longer is a failure; milliseconds, default 60,000. */
  readonly timeoutMs?: number;
  /** Whether to wait and ask again when the server answers 429. Default true. */
  readonly patient?: boolean;
}

/** The answer to one JSON-RPC request. */
export interface Answer {
  readonly httpStatus: number;
  readonly headers: Headers;
  /** The JSON-RPC message, or the bare body where HTTP itself refused. */
  readonly message: Fields;
  /** Time spent waiting because the server answered 429. */
  readonly waitedMs: number;
}

/** The answer of a tool. */
export interface ToolAnswer {
  readonly httpStatus: number;
  readonly headers: Headers;
  readonly isError: boolean;
  /** What a program reads: `structuredContent`, or the JSON of the text where there is none. */
  readonly body: Fields;
  /** What a model reads: the text of the first content block. */
  readonly text: string;
  /** How long the answer took, without `waitedMs`. */
  readonly ms: number;
  readonly waitedMs: number;
}

export interface Tool {
  readonly name: string;
  readonly description: string;
  readonly inputSchema: Fields;
  readonly annotations: Fields;
}

const PATIENCE_MS = 70_000;

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The object under a key; an empty one where there is none. */
export function fieldsOf(parent: Fields, key: string): Fields {
  const value = parent[key];
  return isFields(value) ? value : {};
}

/** A request of the given revision: in 2026-07-28 each carries its own envelope and headers. */
function frame(method: string, params: Fields, era: Era): { headers: Fields; body: Fields } {
  const body = { jsonrpc: '2.0', id: 1, method };
  if (era === '2025-11-25') {
    const versioned = method === 'initialize' ? {} : { 'MCP-Protocol-Version': era };
    return { headers: versioned, body: { ...body, params } };
  }
  const envelope = {
    'io.modelcontextprotocol/protocolVersion': era,
    'io.modelcontextprotocol/clientInfo': { name: 'contract', version: '1.0.0' },
    'io.modelcontextprotocol/clientCapabilities': {},
  };
  const name = params['name'];
  return {
    headers: {
      'MCP-Protocol-Version': era,
      'Mcp-Method': method,
      ...(typeof name === 'string' && { 'Mcp-Name': name }),
    },
    body: { ...body, params: { ...params, _meta: envelope } },
  };
}

/** The data of each event of an event stream. */
function eventsOf(body: string): string[] {
  return body.split(/\r?\n\r?\n/).map((event) =>
    event
      .split(/\r?\n/)
      .filter((line) => line.startsWith('data:'))
      .map((line) => line.slice('data:'.length).trim())
      .join('\n'),
  );
}

/** The JSON-RPC answer in a body: plain JSON, or the message with an id in an event stream. */
export function readMessage(contentType: string | null, body: string): Fields {
  const isStream = contentType?.includes('text/event-stream') === true;
  const text = isStream ? (eventsOf(body).findLast((data) => data.includes('"id"')) ?? '') : body;
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    message = null;
  }
  assert.ok(isFields(message), `The answer is no JSON object: ${text.slice(0, 200)}`);
  return message;
}

/** Send one JSON-RPC request. */
export async function request(
  peer: Peer,
  method: string,
  params: Fields,
  options: RequestOptions = {},
): Promise<Answer> {
  const { headers, body } = frame(method, params, options.era ?? '2025-11-25');
  const timeoutMs = options.timeoutMs ?? 60_000;
  let waitedMs = 0;
  for (;;) {
    const response = await fetch(peer.url, {
      method: 'POST',
      headers: {
        Authorization: `Bearer ${peer.token}`,
        Accept: 'application/json, text/event-stream',
        'Content-Type': 'application/json',
        ...headers,
        ...(options.session && { 'Mcp-Session-Id': options.session }),
      },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(timeoutMs),
    }).catch((cause: unknown) => unanswered(cause, method, timeoutMs));
    const text = await response
      .text()
      .catch((cause: unknown) => unanswered(cause, method, timeoutMs));
    if (response.status === 429 && options.patient !== false) {
      const waitMs = Number(response.headers.get('retry-after') ?? 1) * 1_000;
      waitedMs += waitMs;
      assert.ok(waitedMs < PATIENCE_MS, `${method} is still rate limited after a minute.`);
      await pause(waitMs);
      continue;
    }
    const message = readMessage(response.headers.get('content-type'), text);
    return { httpStatus: response.status, headers: response.headers, message, waitedMs };
  }
}

function unanswered(cause: unknown, method: string, timeoutMs: number): never {
  if (cause instanceof DOMException && cause.name === 'TimeoutError') {
    assert.fail(`${method} was not answered within ${timeoutMs} ms.`);
  }
  throw new Error(`${method} could not be sent.`, { cause });
}

/** Call a tool. A refusal by HTTP (401, 403, 429) is read like an error of the tool. */
export async function callTool(
  peer: Peer,
  name: string,
  args: Fields,
  options: RequestOptions = {},
): Promise<ToolAnswer> {
  const startedAt = performance.now();
  const params = { name, arguments: args };
  const { message, ...http } = await request(peer, 'tools/call', params, options);
  const ms = performance.now() - startedAt - http.waitedMs;
  peer.observe?.(name, ms);
  if (message['result'] === undefined) {
    return { ...http, isError: true, body: message, text: JSON.stringify(message), ms };
  }
  const result = fieldsOf(message, 'result');
  const content = Array.isArray(result['content']) ? (result['content'] as unknown[]) : [];
  const first = isFields(content[0]) ? content[0]['text'] : undefined;
  assert.ok(
    typeof first === 'string',
    `${name} answered without a text: ${JSON.stringify(result)}`,
  );
  const body = result['structuredContent'] ?? readMessage(null, first);
  assert.ok(isFields(body), `${name} answered with something else than an object`);
  return { ...http, isError: result['isError'] === true, body, text: first, ms };
}

/** Every tool that the server lists, over all pages. */
export async function listTools(peer: Peer, options: RequestOptions = {}): Promise<Tool[]> {
  const tools: Tool[] = [];
  let cursor: unknown;
  do {
    const params = cursor === undefined ? {} : { cursor };
    const { message } = await request(peer, 'tools/list', params, options);
    const result = fieldsOf(message, 'result');
    const page = result['tools'];
    assert.ok(Array.isArray(page), `tools/list answered ${JSON.stringify(message).slice(0, 200)}`);
    for (const tool of page as unknown[]) {
      assert.ok(isFields(tool) && typeof tool['name'] === 'string', 'a tool has no name');
      tools.push({
        name: tool['name'],
        description: typeof tool['description'] === 'string' ? tool['description'] : '',
        inputSchema: fieldsOf(tool, 'inputSchema'),
        annotations: fieldsOf(tool, 'annotations'),
      });
    }
    cursor = result['nextCursor'];
  } while (cursor !== undefined && tools.length < 1_000);
  return tools;
}

/** Shake hands as a 2025-11-25 client does. Returns the session id, or null if none was issued. */
export async function initialize(peer: Peer): Promise<string | null> {
  const { headers, message } = await request(peer, 'initialize', {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'contract', version: '1.0.0' },
  });
  assert.ok(isFields(message['result']), `initialize answered ${JSON.stringify(message)}`);
  return headers.get('mcp-session-id');
}
