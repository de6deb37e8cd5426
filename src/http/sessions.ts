/**
 * Sessions of the 2025 revisions, where `sessionful` asks for them: they give the server a way to
 * its client (elicitation, sampling, log messages), and live in the memory of one process. A client
 * that is told 404 begins a new one.
 */
import {
  WebStandardStreamableHTTPServerTransport,
  type AuthInfo,
  type McpServer,
} from '@modelcontextprotocol/server';
import { monotonic } from '../job/clock.ts';
import { newId } from '../job/ids.ts';
import type { Logger } from '../job/log.ts';
import { rightsOf } from '../job/who.ts';
import type { Call } from './mcp-server.ts';
import { SessionEvents } from './session-events.ts';

const SESSIONS_MAX = 1_000;
/** A session that nobody uses is forgotten after this time, in milliseconds. */
const IDLE_MS = 3_600_000;

export interface SessionRequest {
  readonly request: Request;
  readonly parsedBody: unknown;
  readonly authInfo: AuthInfo;
  readonly call: Call;
}

interface Session {
  readonly transport: WebStandardStreamableHTTPServerTransport;
  readonly server: McpServer;
  /** Whose it is, with which rights: with others, it is not to be found. */
  readonly holder: string;
  usedAt: number;
}

export class Sessions {
  readonly #make: (call: Call) => McpServer;
  readonly #log: Logger;
  readonly #sessions = new Map<string, Session>();

  constructor(make: (call: Call) => McpServer, log: Logger) {
    this.#make = make;
    this.#log = log;
  }

  async serve(given: SessionRequest): Promise<Response> {
    const { request, parsedBody, authInfo, call } = given;
    const id = request.headers.get('mcp-session-id');
    const known = id === null ? undefined : this.#sessions.get(id);
    if (id !== null && known?.holder !== rightsOf(call.who)) return notFound(parsedBody);
    if (known) known.usedAt = monotonic();
    const transport = known?.transport ?? (await this.#begin(given));
    return transport.handleRequest(request, {
      authInfo,
      ...(parsedBody !== undefined && { parsedBody }),
    });
  }

  async close(): Promise<void> {
    await Promise.all([...this.#sessions.keys()].map((id) => this.#end(id)));
  }

  /** What is no `initialize` is refused by the transport, and the session forgotten. */
  async #begin(given: SessionRequest): Promise<WebStandardStreamableHTTPServerTransport> {
    const server = this.#make(given.call);
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => newId('ses'),
      eventStore: new SessionEvents(),
      retryInterval: 500,
      onsessioninitialized: (id) => {
        const holder = rightsOf(given.call.who);
        this.#sessions.set(id, { transport, server, holder, usedAt: monotonic() });
        // Only now: what is no `initialize` must not end the session of somebody else.
        return this.#makeRoom();
      },
      onsessionclosed: (id) => void this.#sessions.delete(id),
    });
    await server.connect(transport);
    return transport;
  }

  async #makeRoom(): Promise<void> {
    const oldest = [...this.#sessions].toSorted(([, a], [, b]) => a.usedAt - b.usedAt);
    const late = oldest.filter(([, { usedAt }]) => monotonic() - usedAt > IDLE_MS);
    const [first] = oldest;
    if (late.length === 0 && oldest.length > SESSIONS_MAX && first) late.push(first);
    for (const [id] of late) await this.#end(id);
  }

  async #end(id: string): Promise<void> {
    const session = this.#sessions.get(id);
    this.#sessions.delete(id);
    await session?.server.close().catch((error: unknown) => {
      this.#log.debug({ err: error }, 'a session did not close');
    });
  }
}

/** Rights that were given or taken begin a new session, so that none goes on with old ones. */
function notFound(body: unknown): Response {
  const id = (body as { readonly id?: unknown } | undefined)?.id ?? null;
  const error = {
    code: -32_001,
    message: 'Session not found. Send initialize to begin a new one.',
  };
  return Response.json({ jsonrpc: '2.0', id, error }, { status: 404 });
}
