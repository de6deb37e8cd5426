/**
 * What answers an MCP request that has passed the gate: the SDK, with a server instance of this
 * caller's, a session of the 2025 revisions, or a stream of tasks.
 */
import {
  createMcpHandler,
  isLegacyRequest,
  type McpHttpHandler,
  type McpRequestContext,
  type McpServer,
  type ServerContext,
} from '@modelcontextprotocol/server';
import type { Json } from '../job/json.ts';
import { printableJson } from '../job/printable.ts';
import { listenRequestIn, TaskStreams } from '../mcp/listen.ts';
import { Places } from '../mcp/places.ts';
import { CallAuth, serverFor, type Call, type McpServerOptions } from './mcp-server.ts';
import { Sessions } from './sessions.ts';

/** So much of each text of an error that the SDK words is passed on. */
const ERROR_CHARACTERS = 1_000;

export interface McpAnswersOptions extends McpServerOptions {
  /** Streams of tasks that may be open at once. */
  readonly maxSubscriptions: number;
  /** Whether 2025 clients get sessions. */
  readonly sessionful: boolean;
}

export interface Asked {
  /** Without its body. */
  readonly request: Request;
  readonly body: string;
  /** The body as JSON; null when it is none. */
  readonly parsed: { readonly value: unknown } | null;
  readonly call: Call;
}

export class McpAnswers {
  readonly #options: McpAnswersOptions;
  readonly #handler: McpHttpHandler;
  readonly #streams: TaskStreams;
  readonly #sessions: Sessions | null;

  constructor(options: McpAnswersOptions) {
    const { queue, viewing, maxSubscriptions, sessionful } = options;
    this.#options = options;
    this.#handler = createMcpHandler(
      ({ era, authInfo }) => this.#make(era, CallAuth.callIn(authInfo)),
      { onerror: (error) => queue.log.debug({ err: error }, 'MCP request not served') },
    );
    this.#streams = new TaskStreams(queue, viewing, new Places(maxSubscriptions));
    const make = (call: Call) => this.#make('legacy', call);
    this.#sessions = sessionful ? new Sessions(make, queue.log) : null;
  }

  #make(era: McpRequestContext['era'], served: Call): McpServer {
    // Each request is a call of its own, in a session too.
    const callOf = ({ http }: ServerContext) => CallAuth.callIn(http?.authInfo);
    const { notify } = this.#handler;
    return serverFor({ era, served, callOf, caller: callOf, notify }, this.#options);
  }

  async answer({ request, body, parsed, call }: Asked): Promise<Response> {
    const authInfo = new CallAuth(call);
    const isPost = request.method === 'POST';
    if (this.#sessions !== null) {
      const isOld = parsed === null ? !isPost : await isLegacyRequest(request, parsed.value);
      const session = { request, authInfo, call, parsedBody: parsed?.value };
      if (isOld) return this.#sessions.serve(session);
    }
    // What is no JSON is answered by the SDK, from the text itself.
    if (parsed === null) return this.#handler.fetch(withBody(request, body), { authInfo });
    const served = await printableRefusal(
      await this.#handler.fetch(request, { authInfo, parsedBody: parsed.value }),
    );
    const listen = listenRequestIn(parsed.value);
    return listen === null ? served : this.#streams.serve(served, listen, call);
  }

  /** End what is still being answered. */
  async close(): Promise<void> {
    this.#streams.close();
    await Promise.all([this.#handler.close(), this.#sessions?.close()]);
  }
}

/** The mark is taken away by who decodes it: what is no JSON here, for a second mark, is none there. */
function withBody(request: Request, body: string): Request {
  const marked = `\uFEFF${body}`;
  return new Request(request.url, { method: 'POST', headers: request.headers, body: marked });
}

/** The SDK repeats what it refuses, such as a name in the body that is not the one of the header. */
async function printableRefusal(response: Response): Promise<Response> {
  const { status, headers } = response;
  if (status < 400 || !headers.get('content-type')?.startsWith('application/json')) return response;
  const said = (await response.json()) as { readonly [member: string]: Json; readonly error: Json };
  const error = printableJson(said.error, ERROR_CHARACTERS);
  return Response.json({ ...said, error }, { status, headers });
}
