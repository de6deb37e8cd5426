/**
 * `/mcp`: every request is checked at the gate, then answered by the SDK with a server instance of
 * its own. Nothing is kept between requests, so any process can answer the next one.
 */
import {
  createMcpHandler,
  isLegacyRequest,
  type AuthInfo,
  type McpRequestContext,
} from '@modelcontextprotocol/server';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { JobError } from '../job/errors.ts';
import { can } from '../job/who.ts';
import { listenRequestIn, TaskStreams } from '../mcp/listen.ts';
import type { Identify, Identity } from '../team/identify.ts';
import { readBody } from './body.ts';
import { sendError, toHttpError, type RequestFacts } from './envelope.ts';
import { makeServer, type Call, type McpServerOptions } from './mcp-server.ts';
import type { RateLimits } from './rate-limit.ts';
import { sendResponse } from './send.ts';
import { Sessions } from './sessions.ts';

export interface McpEndpointOptions extends McpServerOptions {
  readonly limits: RateLimits;
  /** Who sent a request, without counting it. */
  readonly identify: Identify;
  readonly maxBodyBytes: number;
  /** Streams of tasks that may be open at once. */
  readonly maxSubscriptions: number;
  /** Whether 2025 clients get sessions. */
  readonly sessionful: boolean;
}

export interface McpEndpoint {
  readonly handle: (
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    facts: RequestFacts,
  ) => Promise<void>;
  /** End what is still being answered. */
  close(): Promise<void>;
}

/** How long an answer to who sent a request is good for others with the same headers. */
const RECENT_MS = 500;

export function mcpEndpoint(options: McpEndpointOptions): McpEndpoint {
  const { docsUrl, limits } = options;
  const { log } = options.queue;
  const calls = new WeakMap<AuthInfo, Call>();
  const make = (context: Pick<McpRequestContext, 'authInfo' | 'era'>) =>
    makeServer(context, { calls, notify: handler.notify }, options);
  const handler = createMcpHandler(make, {
    onerror: (error) => log.debug({ err: error }, 'MCP request not served'),
  });
  const streams = new TaskStreams(options.queue, options.viewing, options.maxSubscriptions);
  const again = rechecks(options);
  const sessions = options.sessionful
    ? new Sessions((authInfo) => make({ era: 'legacy', authInfo }), log)
    : null;

  const answer = async (request: Request, body: string, call: Call): Promise<Response> => {
    const authInfo = authInfoOf(call.who);
    calls.set(authInfo, call);
    const parsed = request.method === 'POST' ? parseJson(body) : null;
    if (Array.isArray(parsed?.value)) await limits.count(call.who, parsed.value.length - 1);
    if (sessions !== null && (parsed === null || (await isLegacyRequest(request, parsed.value)))) {
      return sessions.serve({ request, authInfo, who: call.who, parsedBody: parsed?.value });
    }
    // What is no JSON is answered by the SDK, from the text itself.
    if (parsed === null) return handler.fetch(withBody(request, body), { authInfo });
    const served = await handler.fetch(request, { authInfo, parsedBody: parsed.value });
    const listen = listenRequestIn(parsed.value);
    return listen === null ? served : streams.serve(served, listen, call);
  };

  const serve = async (
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    { requestId, address }: RequestFacts,
  ): Promise<void> => {
    const left = new AbortController();
    outgoing.once('close', () => {
      if (!outgoing.writableFinished) left.abort();
    });
    const asked = webRequest(incoming, options.publicUrl, left.signal);
    const who = await limits.identify(asked, address);
    if (who === null) throw new JobError('AUTHENTICATION_REQUIRED');
    demandAbility(who, options.requiredAbility);
    const isPost = incoming.method === 'POST';
    // Streams and sessions of the 2025 revisions need something that is kept between requests.
    if (!isPost && sessions === null) throw methodNotAllowed();
    const body = isPost ? await readBody(incoming, options.maxBodyBytes) : '';
    const call: Call = { who, requestId, again: () => again(asked) };
    const response = await answer(asked, body, call);
    const extra = {
      'x-request-id': requestId,
      ...(call.retryAfter !== undefined && { 'retry-after': String(call.retryAfter) }),
    };
    await sendResponse(response, outgoing, { extra, gone: left.signal });
  };

  return {
    async close() {
      streams.close();
      await Promise.all([handler.close(), sessions?.close()]);
    },
    async handle(incoming, outgoing, facts) {
      try {
        await serve(incoming, outgoing, facts);
      } catch (error) {
        // Who has left gets no answer, and is no fault.
        if (outgoing.destroyed) return;
        sendError(outgoing, toHttpError(error, facts.requestId, { docsUrl, log }));
      }
    },
  };
}

/** What tools of the application see as `ctx.http.authInfo`. The token itself goes no further. */
function authInfoOf({ team, owner, abilities }: Identity): AuthInfo {
  return { token: '', clientId: owner, scopes: [...abilities], extra: { team, owner } };
}

function webRequest(
  { method = 'GET', url = '/', headers }: IncomingMessage,
  publicUrl: string,
  signal: AbortSignal,
): Request {
  try {
    return new Request(publicUrl + url, {
      method,
      headers: headers as Record<string, string>,
      signal,
    });
  } catch (cause) {
    // TRACE, or a header that is no text.
    throw methodNotAllowed(cause);
  }
}

function withBody(request: Request, body: string): Request {
  return new Request(request.url, { method: 'POST', headers: request.headers, body });
}

function demandAbility(who: Identity, ability: string | null): void {
  if (ability === null || can(who, ability)) return;
  throw new JobError('TOKEN_MISSING_ABILITY', { context: { required_ability: ability } });
}

/** Who sent a request, asked again while its answer is under way; many with one credential ask once. */
function rechecks({
  identify,
  requiredAbility,
}: McpEndpointOptions): (request: Request) => Promise<Identity | null> {
  const recent = new Map<string, Promise<Identity | null>>();
  return (request) => {
    const key = JSON.stringify([...request.headers]);
    const known = recent.get(key);
    if (known) return known;
    const asking = (async () => {
      const who = await identify(request);
      return who !== null && (requiredAbility === null || can(who, requiredAbility)) ? who : null;
    })();
    recent.set(key, asking);
    setTimeout(() => recent.delete(key), RECENT_MS).unref();
    return asking;
  };
}

function methodNotAllowed(cause?: unknown): JobError {
  return new JobError('METHOD_NOT_ALLOWED', { context: { allow: 'POST' }, cause });
}

function parseJson(text: string): { readonly value: unknown } | null {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return null;
  }
}
