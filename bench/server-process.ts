/**
 * A server to be measured, in a process of its own: ours, or the SDK's as its documentation shows
 * it. Both answer the same synchronous tool behind the same verifier. Ends with its parent.
 */
import {
  requireBearerAuth,
  type McpServer,
  type OAuthTokenVerifier,
} from '@modelcontextprotocol/server';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';
import { bearer, serve } from '../src/http.ts';
import { openAt } from './engine.ts';
import { sdkHandler } from './sdk-server.ts';
import type { Asked, ServerOptions, Told } from './server.ts';
import { noTimings, timeStore } from './time-store.ts';

const NOOP = {
  description: 'Does nothing.',
  inputSchema: z.object({ n: z.number() }),
  outputSchema: z.object({ n: z.number() }),
};

function registerNoop(mcp: McpServer): void {
  mcp.registerTool('noop', NOOP, ({ n }) => ({
    content: [{ type: 'text', text: JSON.stringify({ n }) }],
    structuredContent: { n },
  }));
}

const verifier: OAuthTokenVerifier = {
  verifyAccessToken: async (token) => {
    if (token !== 'bench') throw new Error('unknown token');
    const extra = { iss: 'https://issuer.example', sub: 'bench' };
    return { token, clientId: 'bench', scopes: ['*'], expiresAt: 4_102_444_800, extra };
  },
};

let timings = noTimings();

interface Running {
  readonly url: string;
  close(): Promise<void>;
}

async function ours({ db, workers, concurrency }: ServerOptions): Promise<Running> {
  const store = await openAt(db);
  const serving = await serve({
    jobs: new URL('./jobs.ts', import.meta.url),
    db: timeStore(store, (verb, ms) => timings[verb].push(ms)),
    identify: bearer(verifier, { team: () => 'tem_bench' }),
    tools: (mcp) => registerNoop(mcp),
    rateLimit: 0,
    maxOutstanding: 0,
    port: 0,
    workers,
    concurrency,
  });
  return {
    url: serving.url,
    close: async () => {
      await serving.close({ graceMs: 1_000 });
      await store.close();
    },
  };
}

interface Adapter {
  readonly toNodeHandler: (handler: {
    fetch(request: Request): Promise<Response>;
  }) => RequestListener;
}

async function sdk(isTuned: boolean): Promise<Running> {
  // By a name that the type-check does not follow: it is installed for the benches only.
  const adapter = '@modelcontextprotocol/node';
  const { toNodeHandler } = (await import(adapter)) as Adapter;
  const handler = sdkHandler(isTuned);
  const verify = requireBearerAuth({ verifier });
  const listener = toNodeHandler({
    fetch: async (request) => {
      const authInfo = await verify(request);
      return authInfo instanceof Response ? authInfo : handler.fetch(request, { authInfo });
    },
  });
  const server = createServer(listener);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    close: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

function start(options: ServerOptions): Promise<Running> {
  return options.kind === 'ours' ? ours(options) : sdk(options.kind === 'sdk, tuned');
}

const tell = (message: Told) => process.send?.(message);
let running: Running | null = null;

async function close(): Promise<void> {
  await running?.close();
  process.exit(0);
}

async function obey(asked: Asked): Promise<void> {
  switch (asked.ask) {
    case 'start':
      running = await start(asked.options);
      tell({ url: running.url });
      break;
    case 'timings':
      tell({ timings });
      timings = noTimings();
      break;
    case 'close':
      await close();
      break;
  }
}

process.on('message', (asked: Asked) => {
  obey(asked).catch((error: unknown) => tell({ error: String(error) }));
});
process.on('disconnect', () => void close());
