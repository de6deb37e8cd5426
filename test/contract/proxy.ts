/**
 * An HTTP proxy in front of an MCP server that can spoil single answers. What it is not told to
 * spoil passes unchanged, so that a check which fails behind it failed because of that one answer.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { fieldsOf, readMessage, type Fields } from './wire.ts';

/** One JSON-RPC request on its way to the server. */
export interface Call {
  readonly method: string;
  /** Of `tools/call`; else the empty string. */
  readonly tool: string;
  readonly args: Fields;
  readonly token: string;
  /** What came as `Mcp-Session-Id`; null when nothing did. */
  readonly session: string | null;
}

/** The answer on its way back. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly message: Fields;
}

/** Send the call on, as it came or with other arguments or another token. */
export type Forward = (changes?: {
  readonly args?: Fields;
  readonly token?: string;
}) => Promise<Reply>;

export type Spoiler = (call: Call, forward: Forward) => Promise<Reply>;

const honest: Spoiler = (_call, forward) => forward();

const PASSED_ON = ['accept', 'content-type', 'mcp-protocol-version', 'mcp-method', 'mcp-name'];
const PASSED_BACK = ['date', 'retry-after', 'www-authenticate', 'mcp-session-id'];

export class SpoilingProxy {
  readonly #upstream: () => string;
  readonly #server = createServer((request, response) => {
    void this.#handle(request, response);
  });
  #spoiler = honest;

  /** @param upstream the address of the server, asked for each request */
  constructor(upstream: () => string) {
    this.#upstream = upstream;
  }

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  get url(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}/mcp`;
  }

  /** Spoil from now on; null lets everything pass again. */
  spoil(spoiler: Spoiler | null): void {
    this.#spoiler = spoiler ?? honest;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const body = readMessage(null, await text(request));
      const call = readCall(request, body);
      const { status, headers, message } = await this.#spoiler(call, (changes = {}) =>
        this.#forward(request, body, { ...call, ...changes }),
      );
      response.writeHead(status, { ...headers, 'content-type': 'application/json' });
      response.end(JSON.stringify(message));
    } catch (error) {
      // The checks kill servers and give up on answers: then there is nobody left to be told.
      response.destroy(error instanceof Error ? error : undefined);
    }
  }

  async #forward(request: IncomingMessage, body: Fields, call: Call): Promise<Reply> {
    const headers: Record<string, string> = { authorization: `Bearer ${call.token}` };
    for (const name of PASSED_ON) {
      const value = request.headers[name];
      if (typeof value === 'string') headers[name] = value;
    }
    const params = fieldsOf(body, 'params');
    const changed = call.tool === '' ? params : { ...params, arguments: call.args };
    const answer = await fetch(this.#upstream(), {
      method: 'POST',
      headers,
      body: JSON.stringify({ ...body, params: changed }),
    });
    const kept = PASSED_BACK.flatMap((name) => {
      const value = answer.headers.get(name);
      return value === null ? [] : [[name, value] as const];
    });
    return {
      status: answer.status,
      headers: Object.fromEntries(kept),
      message: readMessage(answer.headers.get('content-type'), await answer.text()),
    };
  }
}

function readCall(request: IncomingMessage, body: Fields): Call {
  const method = String(body['method']);
  const params = fieldsOf(body, 'params');
  const session = request.headers['mcp-session-id'];
  return {
    method,
    tool: method === 'tools/call' ? String(params['name']) : '',
    args: fieldsOf(params, 'arguments'),
    token: (request.headers.authorization ?? '').replace(/^Bearer /, ''),
    session: typeof session === 'string' ? session : null,
  };
}
