/**
 * `/mcp`: every request is checked at the gate, then answered by the SDK with a server instance of
 * its own. Nothing is kept between requests, so any process can answer the next one.
 */
import {
  createMcpHandler,
  type AuthInfo,
  type McpRequestContext,
  type McpServer,
} from '@modelcontextprotocol/server';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { JobError } from '../job/errors.ts';
import { can } from '../job/who.ts';
import type { Identity } from '../team/identify.ts';
import { readBody } from './body.ts';
import { retryAfterSeconds, sendError, toHttpError, type RequestFacts } from './envelope.ts';
import { makeMcpServer, type McpServerParts } from './mcp-server.ts';
import type { RateLimits } from './rate-limit.ts';
import { sendResponse } from './send.ts';

export interface McpEndpointOptions extends McpServerParts {
  readonly limits: RateLimits;
  readonly requiredAbility: string | null;
  readonly maxBodyBytes: number;
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

/** One request that has passed the gate. */
interface Call {
  readonly who: Identity;
  readonly requestId: string;
  /** Seconds after which a refused call may be sent again, when a tool was refused for that. */
  retryAfter?: number;
}

export function mcpEndpoint(options: McpEndpointOptions): McpEndpoint {
  const { docsUrl, limits, requiredAbility } = options;
  const { log } = options.queue;
  // The SDK hands this object to the factory as it is, in both eras.
  const calls = new WeakMap<AuthInfo, Call>();
  const handler = createMcpHandler((context) => makeServer(context, calls, options), {
    onerror: (error) => log.debug({ err: error }, 'MCP request not served'),
  });

  const serve = async (
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    { requestId, address }: RequestFacts,
  ): Promise<void> => {
    const left = new AbortController();
    outgoing.once('close', () => {
      if (!outgoing.writableFinished) left.abort();
    });
    const asked = webRequest(incoming, options.publicUrl, { signal: left.signal });
    const who = await limits.identify(asked, address);
    if (who === null) throw new JobError('AUTHENTICATION_REQUIRED');
    if (requiredAbility !== null && !can(who, requiredAbility)) {
      throw new JobError('TOKEN_MISSING_ABILITY', {
        context: { required_ability: requiredAbility },
      });
    }
    // Streams and sessions of the 2025 revisions need something that is kept between requests.
    if (incoming.method !== 'POST') throw methodNotAllowed();
    const body = await readBody(incoming, options.maxBodyBytes);
    const parsed = parseJson(body);
    if (Array.isArray(parsed?.value)) await limits.count(who, parsed.value.length - 1);
    const call: Call = { who, requestId };
    const authInfo = authInfoOf(who);
    calls.set(authInfo, call);
    const response = await (parsed
      ? handler.fetch(asked, { authInfo, parsedBody: parsed.value })
      : // What is no JSON is answered by the SDK, from the text itself.
        handler.fetch(webRequest(incoming, options.publicUrl, { body }), { authInfo }));
    const extra = {
      'x-request-id': requestId,
      ...(call.retryAfter !== undefined && { 'retry-after': String(call.retryAfter) }),
    };
    await sendResponse(response, outgoing, { extra, gone: left.signal });
  };

  return {
    close: async () => handler.close(),
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

function makeServer(
  { authInfo }: McpRequestContext,
  calls: WeakMap<AuthInfo, Call>,
  options: McpEndpointOptions,
): McpServer {
  const call = authInfo && calls.get(authInfo);
  if (call === undefined) throw new Error('An MCP request reached the factory past the gate.');
  const { requestId, who } = call;
  return makeMcpServer(options, {
    made: { who, requestId },
    caller: () => call,
    requestId: () => requestId,
    onRefused: ({ code, context }) => {
      if (code === 'RATE_LIMITED') call.retryAfter = retryAfterSeconds(context);
    },
  });
}

/** What tools of the application see as `ctx.http.authInfo`. The token itself goes no further. */
function authInfoOf({ team, owner, abilities }: Identity): AuthInfo {
  return { token: '', clientId: owner, scopes: [...abilities], extra: { team, owner } };
}

function webRequest(
  { method = 'GET', url = '/', headers }: IncomingMessage,
  publicUrl: string,
  init: { readonly body?: string; readonly signal?: AbortSignal },
): Request {
  try {
    return new Request(publicUrl + url, {
      method,
      headers: headers as Record<string, string>,
      ...init,
    });
  } catch (cause) {
    // TRACE, or a header that is no text.
    throw methodNotAllowed(cause);
  }
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
