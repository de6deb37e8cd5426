/**
 * HTTP/1.1 by hand over one kept connection: whoever makes load has to cost less than what is
 * loaded, and what is told has to be seen byte for byte.
 */
import { connect, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';

export interface Told {
  /** 0: the connection was closed without an answer. */
  readonly status: number;
  readonly head: string;
  readonly body: string;
  readonly ms: number;
}

interface Waiting {
  readonly askedAt: number;
  readonly settle: (told: Told) => void;
  /** Told once that an answer has begun. */
  begun: (() => void) | null;
}

const HEAD_END = '\r\n\r\n';
const LAST_CHUNK = '\r\n0\r\n\r\n';

/** One connection; what is asked on it is answered in order. It is made anew when it was closed. */
export class Wire {
  readonly #url: URL;
  readonly #waiting: Waiting[] = [];
  #socket: Socket | null = null;
  #text = '';

  constructor(url: string) {
    this.#url = new URL(url);
  }

  ask(request: string): Promise<Told> {
    return this.#ask(request, null);
  }

  /** @returns once the answer has begun, what resolves when it has ended */
  async listen(request: string): Promise<{ readonly ended: Promise<Told> }> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const ended = this.#ask(request, resolve);
    await Promise.race([promise, ended]);
    return { ended };
  }

  #ask(request: string, begun: (() => void) | null): Promise<Told> {
    const { promise, resolve: settle } = Promise.withResolvers<Told>();
    this.#waiting.push({ askedAt: performance.now(), settle, begun });
    this.#open().write(request, 'latin1');
    return promise;
  }

  close(): void {
    this.#socket?.destroy();
  }

  #open(): Socket {
    if (this.#socket && !this.#socket.destroyed) return this.#socket;
    const socket = connect(Number(this.#url.port), this.#url.hostname);
    this.#socket = socket;
    this.#text = '';
    socket.setNoDelay(true);
    socket.on('data', (chunk) => {
      this.#text += chunk.toString('latin1');
      while (this.#take());
    });
    socket.on('error', () => {});
    socket.once('close', () => {
      if (this.#socket !== socket) return;
      this.#socket = null;
      while (this.#waiting.length > 0) this.#answer({ status: 0, head: '', body: '' });
    });
    return socket;
  }

  /** Take one whole answer from what has come. */
  #take(): boolean {
    const headEnd = this.#text.indexOf(HEAD_END);
    if (headEnd < 0) return false;
    const [first] = this.#waiting;
    first?.begun?.();
    if (first) first.begun = null;
    const head = this.#text.slice(0, headEnd);
    const from = headEnd + HEAD_END.length;
    const length = /^content-length: *(\d+)/im.exec(head)?.[1];
    let end = from + Number(length ?? 0);
    const isChunked = length === undefined && /^transfer-encoding: *chunked/im.test(head);
    if (isChunked) {
      const last = this.#text.indexOf(LAST_CHUNK, headEnd + 2);
      if (last < 0) return false;
      end = last + LAST_CHUNK.length;
    }
    if (this.#text.length < end) return false;
    const bytes = this.#text.slice(from, end);
    const body = isChunked ? whole(bytes) : bytes;
    this.#text = this.#text.slice(end);
    this.#answer({ status: Number(head.slice(9, 12)), head, body });
    return true;
  }

  #answer(told: Omit<Told, 'ms'>): void {
    const waiting = this.#waiting.shift();
    waiting?.settle({ ...told, ms: performance.now() - waiting.askedAt });
  }
}

/** What stands in chunks, put together. */
function whole(chunks: string): string {
  let body = '';
  for (let at = 0; ;) {
    const lineEnd = chunks.indexOf('\r\n', at);
    const size = Number.parseInt(chunks.slice(at, lineEnd), 16);
    if (!(size > 0)) return body;
    body += chunks.slice(lineEnd + 2, lineEnd + 2 + size);
    at = lineEnd + 2 + size + 2;
  }
}

export interface Request {
  readonly token: string;
  /** Default POST of `body` to the path of the url. */
  readonly method?: 'GET' | 'POST';
  readonly path?: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The bytes of a request; text beyond latin1 has to be escaped in the body. */
export function requestText(url: string, request: Request): string {
  const { host, pathname } = new URL(url);
  const { token, method = 'POST', path = pathname, body = '', headers = {} } = request;
  const more = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return (
    `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${token}\r\n` +
    `Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n` +
    `${more.join('')}Content-Length: ${body.length}${HEAD_END}${body}`
  );
}

/** The bytes of a call of a tool, as a client of 2025-11-25 sends it. */
export function callText(url: string, token: string, tool: string, args: object): string {
  const params = { name: tool, arguments: args };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params });
  return requestText(url, { token, body, headers: { 'MCP-Protocol-Version': '2025-11-25' } });
}

/** The bytes of a request of 2026-07-28, from a client that knows tasks. */
export function modernText(url: string, token: string, method: string, params: object): string {
  const name = 'io.modelcontextprotocol/';
  const _meta = {
    [`${name}protocolVersion`]: '2026-07-28',
    [`${name}clientInfo`]: { name: 'x', version: '1' },
    [`${name}clientCapabilities`]: { extensions: { [`${name}tasks`]: {} } },
  };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { ...params, _meta } });
  const target: unknown = Object.values(params).find((value) => typeof value === 'string');
  return requestText(url, {
    token,
    body,
    headers: {
      'MCP-Protocol-Version': '2026-07-28',
      'Mcp-Method': method,
      ...(typeof target === 'string' && { 'Mcp-Name': target }),
    },
  });
}
