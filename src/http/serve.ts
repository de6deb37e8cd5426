/** A whole server: MCP endpoint, store, workers and what time does, from one object of options. */
import type { IncomingMessage, RequestListener, Server } from 'node:http';
import { definitionsOf, type AnyDefinition } from '../job/definition.ts';
import { newId } from '../job/ids.ts';
import type { Viewing } from '../mcp/job-view.ts';
import { Places, WAITING_MAX } from '../mcp/places.ts';
import type { QueueContext } from '../queue/context.ts';
import { Waits } from '../queue/wait.ts';
import type { Store } from '../store/store.ts';
import { runWorker } from '../worker/in-process.ts';
import { supervise } from '../worker/supervise.ts';
import { startSweeper } from '../worker/sweeper.ts';
import { addresses, type Addresses } from './addresses.ts';
import { checkOptions, type CheckedOptions } from './check-options.ts';
import { sendError, toHttpError } from './envelope.ts';
import { keepHouse } from './housekeeping.ts';
import { closeServer, listen } from './listen.ts';
import { loadPostgres } from './load-postgres.ts';
import { mcpEndpoint, type McpEndpoint } from './mcp-endpoint.ts';
import type { ServeOptions, Serving } from './options.ts';
import { rateLimits } from './rate-limit.ts';
import { site, type Site } from './site.ts';
import { toPathForm } from './target.ts';

const GRACE_MS = 5_000;
/** An answer to whether the server is ready is good for this long, in milliseconds. */
const READY_MS = 250;
/** Answered whatever name the server is asked by: probes know it by its number only. */
const PROBES = ['/healthz', '/readyz'];

/** Workers, wherever they run. */
interface Workers {
  pids(): readonly number[];
  /** Why no job would be run now, or null. */
  whyIdle(workersSeen: number): string | null;
  stop(graceMs: number): Promise<void>;
}

/**
 * Start a server and its workers.
 *
 * @throws TypeError that lists every problem of the options; Error when the jobs module, the
 *   database or the port cannot be used
 */
export async function serve(options: ServeOptions): Promise<Serving> {
  const checked = checkOptions(options);
  const definitions = await importDefinitions(checked.jobs);
  const { db } = checked;
  const isOurs = typeof db === 'string';
  const store = isOurs ? await open(db, checked) : db;
  const undo: (() => Promise<void>)[] = isOurs ? [async () => store.close()] : [];
  try {
    const { server, port } = await listen(checked.host, checked.port);
    undo.push(async () => closeServer(server, 0));
    return start({ checked, definitions, store, isOurs }, server, port);
  } catch (error) {
    for (const step of undo.toReversed()) await step();
    throw error;
  }
}

interface Parts {
  readonly checked: CheckedOptions;
  readonly definitions: ReadonlyMap<string, AnyDefinition>;
  readonly store: Store;
  /** Whether the store was opened here, and so has to be closed here. */
  readonly isOurs: boolean;
}

/** From the first line to the last without a pause, so that no request meets half a server. */
function start(parts: Parts, server: Server, port: number): Serving {
  const { checked, definitions, store, isOurs } = parts;
  const { log, retentionMs } = checked;
  const here = `http://${urlHost(checked.host)}:${port}`;
  const publicUrl = checked.publicUrl ?? here;
  const waits = new Waits(store);
  const whyIdle: Workers['whyIdle'] = (seen) => workers.whyIdle(seen);
  const { endpoint, listener } = answers(parts, { publicUrl, waits, whyIdle });
  const workers = startWorkers(parts);
  server.on('request', listener);
  const stopSweeper = startSweeper({ store, retentionMs, log });
  const stopHousekeeping = checked.maintain && keepHouse(checked.maintain, store, log);
  log.info({ url: `${here}/mcp`, tools: [...definitions.keys()] }, 'listening');

  let closing: Promise<void> | null = null;
  const close = async (graceMs: number): Promise<void> => {
    // Who waits is answered with the present state, and asks the next server.
    waits.close();
    const answered = closeServer(server, graceMs);
    await workers.stop(graceMs);
    await endpoint.close();
    await answered;
    await Promise.all([stopSweeper(), stopHousekeeping?.()]);
    if (isOurs) await store.close();
  };
  return {
    url: `${here}/mcp`,
    publicUrl,
    store,
    workerPids: () => workers.pids(),
    close: async ({ graceMs = GRACE_MS } = {}) => {
      closing ??= close(graceMs);
      await closing;
    },
  };
}

interface AnswerParts {
  readonly publicUrl: string;
  readonly waits: Waits;
  readonly whyIdle: Workers['whyIdle'];
}

function answers(
  { checked, definitions, store }: Parts,
  { publicUrl, waits, whyIdle }: AnswerParts,
): { endpoint: McpEndpoint; listener: RequestListener } {
  const { log, settings, maxOutstanding, idempotencyTtlMs } = checked;
  const docsUrl = `${publicUrl}/errors`;
  const limits = rateLimits(checked.identify, checked.rateLimit);
  const keeping = { maxOutstanding, idempotencyTtlMs };
  const queue: QueueContext = { store, definitions, settings, ...keeping, waits, log };
  const { retentionMs } = checked;
  const viewing: Viewing = { definitions, publicUrl, docsUrl, servesResults: true, retentionMs };
  const about = { queue, viewing, limits, publicUrl, docsUrl };
  const places = new Places(WAITING_MAX);
  const endpoint = mcpEndpoint({ ...checked, ...about, places });
  const unready = onceAWhile(async (): Promise<readonly string[]> => {
    const { writable, workers } = await store.health();
    const reasons = [writable ? null : 'the store takes no writes', whyIdle(workers)];
    return reasons.filter((reason) => reason !== null);
  });
  const rest = site({ ...checked, ...about, unready });
  const known = addresses({ ...checked, publicUrl });
  const route = makeRouter(known, { endpoint, rest });
  const listener: RequestListener = (incoming, outgoing) => {
    toPathForm(incoming);
    const facts = { requestId: newId('req'), address: known.clientOf(incoming) };
    route(incoming)(incoming, outgoing, facts).catch((error: unknown) => {
      sendError(outgoing, toHttpError(error, facts.requestId, { docsUrl, log }));
    });
  };
  return { endpoint, listener };
}

/** Anybody may ask whether the server is ready, and each look is a write: many share one. */
function onceAWhile<T>(look: () => Promise<T>): () => Promise<T> {
  let latest: Promise<T> | null = null;
  return () => {
    if (latest === null) {
      latest = look();
      setTimeout(() => {
        latest = null;
      }, READY_MS).unref();
    }
    return latest;
  };
}

function makeRouter(
  known: Addresses,
  { endpoint, rest }: { readonly endpoint: McpEndpoint; readonly rest: Site },
): (incoming: IncomingMessage) => Site {
  return (incoming) => {
    const [path = ''] = (incoming.url ?? '').split('?', 1);
    return async (request, outgoing, facts) => {
      if (!PROBES.includes(path)) known.check(request);
      await (path === '/mcp' ? endpoint.handle : rest)(request, outgoing, facts);
    };
  };
}

function startWorkers({ checked, definitions, store }: Parts): Workers {
  const { inProcess, workers } = checked;
  if (inProcess) {
    const worker = runWorker({ ...checked, store, definitions });
    return {
      pids: () => [],
      whyIdle: () => null,
      stop: async (graceMs) => worker.stop(graceMs),
    };
  }
  const supervision = supervise({ ...checked, store, definitions });
  return {
    pids: () => supervision.pids(),
    whyIdle: (seen) => {
      const alive = workers > 0 ? supervision.alive() : seen;
      return alive > 0 ? null : 'no worker is alive';
    },
    stop: async (graceMs) => supervision.stop(graceMs),
  };
}

async function importDefinitions(jobs: URL): Promise<ReadonlyMap<string, AnyDefinition>> {
  let module: object;
  try {
    module = (await import(jobs.href)) as object;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`The jobs module ${jobs.pathname} cannot be loaded: ${reason}`, { cause });
  }
  return definitionsOf(module);
}

/** Only the driver that is needed is loaded. */
async function open(db: string, { migrations, log }: CheckedOptions): Promise<Store> {
  const { openStore } = await (/^postgres(ql)?:/.test(db)
    ? loadPostgres()
    : import('../sqlite.ts'));
  return openStore(db, { migrations, log });
}

function urlHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
