/**
 * `/mcp`: every request is checked at the gate, then answered by the SDK with a server instance that
 * serves nothing else meanwhile. No request needs what one before it has left, so any process can
 * answer the next one.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { JobError } from '../job/errors.ts';
import { can } from '../job/who.ts';
import { whileAllowed } from '../mcp/while-allowed.ts';
import type { Identify, Identity } from '../team/identify.ts';
import { readBody } from './body.ts';
import { sendError, toHttpError, type RequestFacts } from './envelope.ts';
import { McpAnswers, type McpAnswersOptions } from './mcp-answers.ts';
import type { Call } from './mcp-server.ts';
import type { RateLimits } from './rate-limit.ts';
import { sendResponse } from './send.ts';

export interface McpEndpointOptions extends McpAnswersOptions {
  readonly limits: RateLimits;
  /** Who sent a request, without counting it. */
  readonly identify: Identify;
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

/** How long an answer to who sent a request is good for others with the same headers. */
const RECENT_MS = 300;

export function mcpEndpoint(options: McpEndpointOptions): McpEndpoint {
  const { docsUrl, limits } = options;
  const { log } = options.queue;
  const answers = new McpAnswers(options);
  const again = rechecks(options);

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
    if (!isPost && !options.sessionful) throw methodNotAllowed();
    const body = isPost ? await readBody(incoming, options.maxBodyBytes) : '';
    const parsed = isPost ? parseJson(body) : null;
    // The request itself is counted, whatever is in it.
    const others = Array.isArray(parsed?.value) ? parsed.value.length - 1 : 0;
    if (others > 0) await limits.count(who, others);
    const call: Call = { who, requestId, again: () => again(asked) };
    const response = await answers.answer({ request: asked, body, parsed, call });
    const extra = () => ({
      'x-request-id': requestId,
      ...(call.retryAfter !== undefined && { 'retry-after': String(call.retryAfter) }),
    });
    const send = (gone: AbortSignal) => sendResponse(response, outgoing, { extra, gone });
    if (isPost) return send(left.signal);
    // The stream of a session ends with the token, and with other rights, as the session does.
    const waiting = { caller: call, signal: left.signal, sees: async () => false };
    await whileAllowed(waiting, send);
  };

  return {
    close: () => answers.close(),
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

function webRequest(
  { method = 'GET', url = '/', headers }: IncomingMessage,
  publicUrl: string,
  signal: AbortSignal,
): Request {
  try {
    const request = new Request(publicUrl + url, {
      method,
      headers: headers as Record<string, string>,
    });
    // Given to the constructor it is followed through weak references, which keep everything that
    // a request has made until the next full collection of garbage.
    return Object.defineProperty(request, 'signal', { value: signal });
  } catch (cause) {
    // TRACE, or a header that is no text.
    throw methodNotAllowed(cause);
  }
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
