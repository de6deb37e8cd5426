/** Everything beside `/mcp`: a text for people, health, the error codes, the application's routes. */
import { getRequestListener, type HttpBindings } from '@hono/node-server';
import { Hono, type Context } from 'hono';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { JobError } from '../job/errors.ts';
import { printable, shownName } from '../job/printable.ts';
import type { Viewing } from '../mcp/job-view.ts';
import type { QueueContext } from '../queue/context.ts';
import type { Identify } from '../team/identify.ts';
import { toHttpError, type ErrorAnswers, type RequestFacts } from './envelope.ts';
import { registerJobResult } from './job-result.ts';
import type { RouteContext } from './options.ts';
import { errorsPage, welcome } from './pages.ts';
import type { RateLimits } from './rate-limit.ts';

export interface SiteOptions extends ErrorAnswers {
  readonly name: string;
  readonly version: string;
  readonly publicUrl: string;
  readonly queue: QueueContext;
  readonly viewing: Viewing;
  readonly requiredAbility: string | null;
  readonly settings: unknown;
  readonly limits: RateLimits;
  /** Why the server cannot take and run jobs at the moment; empty when it can. */
  readonly unready: () => Promise<readonly string[]>;
  readonly routes: ((app: Hono, context: RouteContext) => void) | null;
}

/** Answers one request that is not for `/mcp`. */
export type Site = (
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  facts: RequestFacts,
) => Promise<void>;

export function site(options: SiteOptions): Site {
  const { docsUrl, log, limits, publicUrl, queue, settings } = options;
  const asked = new WeakMap<IncomingMessage, RequestFacts>();
  const addresses = new WeakMap<Request, string>();
  const app = new Hono();

  const refuse = (error: unknown, context: Context): Response => {
    const { incoming } = context.env as HttpBindings;
    const answer = toHttpError(error, asked.get(incoming)?.requestId ?? '', { docsUrl, log });
    return new Response(answer.body, { status: answer.status, headers: answer.headers });
  };
  app.use(async (context, next) => {
    const { incoming } = context.env as HttpBindings;
    addresses.set(context.req.raw, asked.get(incoming)?.address ?? '');
    await next();
  });
  app.onError(refuse);
  app.notFound((context) => refuse(nothingAt(context.req.method, context.req.path), context));
  const identify: Identify = async (request) =>
    request && (await limits.identify(request, addresses.get(request) ?? ''));
  ownRoutes(app, options);
  registerJobResult(app, { ...options, identify });
  options.routes?.(app, { store: queue.store, publicUrl, settings, log, identify });

  const listener = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  return async (incoming, outgoing, facts) => {
    asked.set(incoming, facts);
    outgoing.setHeader('x-request-id', facts.requestId);
    await listener(incoming, outgoing);
  };
}

function ownRoutes(app: Hono, { name, version, publicUrl, unready }: SiteOptions): void {
  const pages: Record<string, (context: Context) => Response | Promise<Response>> = {
    '/': (context) => context.text(welcome(name, version, publicUrl)),
    '/errors': (context) => context.html(errorsPage()),
    '/healthz': (context) => context.json({ status: 'ok' }),
    '/readyz': async (context) => {
      const reasons = await unready();
      if (reasons.length === 0) return context.json({ status: 'ready' });
      return context.json({ status: 'unready', reasons }, 503);
    },
  };
  for (const [path, page] of Object.entries(pages)) {
    app.get(path, page);
    app.all(path, ({ req }) => {
      throw new JobError('METHOD_NOT_ALLOWED', {
        message: `${req.path} does not answer ${req.method}.`,
        remediation: 'Send GET.',
        context: { allow: 'GET' },
      });
    });
  }
}

function nothingAt(method: string, path: string): JobError {
  const parts = path.split('/').map((part) => part && shownName(part));
  const shown = printable(parts.join('/'), 200);
  return new JobError('RESOURCE_NOT_FOUND', {
    message: `There is nothing at ${method} ${shown}.`,
    remediation: 'MCP requests go to POST /mcp; GET / tells how to connect.',
  });
}
