/**
 * The same tools over stdio, for a host on this machine that starts the server itself: one
 * connection, one owner, and workers that live as long as it does.
 */
import type {
  McpRequestContext,
  McpServer,
  ServerContext,
  ServerNotifier,
} from '@modelcontextprotocol/server';
import { serveStdio, StdioServerTransport } from '@modelcontextprotocol/server/stdio';
import type { Readable, Writable } from 'node:stream';
import type { AnyDefinition } from '../job/definition.ts';
import { JobError, toErrorBody, toFailure } from '../job/errors.ts';
import { newId } from '../job/ids.ts';
import { can } from '../job/who.ts';
import type { Viewing } from '../mcp/job-view.ts';
import { Places, WAITING_MAX } from '../mcp/places.ts';
import type { QueueContext } from '../queue/context.ts';
import { Waits } from '../queue/wait.ts';
import type { Store } from '../store/store.ts';
import type { Identify } from '../team/identify.ts';
import { supervise } from '../worker/supervise.ts';
import { startSweeper } from '../worker/sweeper.ts';
import { BoundedLines, type RequestId } from './bounded-lines.ts';
import { checkOptions, type CheckedOptions } from './check-options.ts';
import { keepHouse } from './housekeeping.ts';
import { serverFor, type Call, type McpServerOptions } from './mcp-server.ts';
import type { ServeOptions } from './options.ts';
import { TaskTransport } from './stdio-tasks.ts';

export interface StdioOptions extends Omit<ServeOptions, 'db'> {
  readonly db: Store;
  readonly definitions: ReadonlyMap<string, AnyDefinition>;
  /** The host's end of the connection. */
  readonly input: Readable;
  readonly output: Writable;
}

/** A server that its host talks to. */
export interface ServingStdio {
  /** Resolves when the host has gone. */
  readonly ended: Promise<void>;
  /** End the connection and the workers; the store stays open. */
  close(graceMs: number): Promise<void>;
}

/**
 * Serve one host.
 *
 * @throws TypeError that lists every problem of the options; JobError when nobody may be served
 */
export async function startStdio(options: StdioOptions): Promise<ServingStdio> {
  const { definitions, input, output, db: store, ...given } = options;
  const checked = checkOptions({ ...given, db: store });
  const { log, retentionMs, maintain } = checked;
  const waits = new Waits(store);
  const ask = callerOf(checked.identify, checked.requiredAbility);
  const first = await ask();
  const parts = checkingTools(partsOf(checked, { store, definitions, waits }), ask);

  const supervision = supervise({ ...checked, store, definitions });
  const stopSweeper = startSweeper({ store, retentionMs, log });
  const stopHousekeeping = maintain && keepHouse(maintain, store, log);
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  for (const event of ['end', 'close', 'error']) input.once(event, end);
  output.once('error', end);
  const served = { served: first, ...perCall(first, ask) };
  const make = ({ era }: Pick<McpRequestContext, 'era'>): McpServer => {
    const mcp: McpServer = serverFor({ era, ...served, notify: notifierOf(() => mcp) }, parts);
    return mcp;
  };
  const { maxBodyBytes } = checked;
  const lines = new BoundedLines(maxBodyBytes, (id) => {
    log.warn({ bytes_max: maxBodyBytes }, 'a message was too long and is left out');
    if (id !== null) wire.send(tooLarge(id, maxBodyBytes, parts.docsUrl)).catch(() => {});
  });
  const maxBufferSize = maxBodyBytes + 1;
  const wire = new StdioServerTransport(input.pipe(lines), output, { maxBufferSize });
  const handle = serveStdio(make, {
    transport: new TaskTransport({
      wire,
      parts,
      max: checked.maxSubscriptions,
      ask,
      onClosed: end,
    }),
    onerror: (error) => log.debug({ err: error }, 'a message could not be served'),
  });
  log.info({ tools: [...definitions.keys()] }, 'serving on stdio');
  return {
    ended,
    async close(graceMs) {
      waits.close();
      await supervision.stop(graceMs);
      input.unpipe(lines);
      await handle.close();
      await Promise.all([stopSweeper(), stopHousekeeping?.()]);
    },
  };
}

function tooLarge(id: RequestId, bytesMax: number, docsUrl: string) {
  const error = new JobError('PAYLOAD_TOO_LARGE', {
    message: `The message is larger than ${bytesMax} bytes.`,
    context: { bytes_max: bytesMax },
  });
  const data = toErrorBody(toFailure(error, newId('req')), docsUrl);
  return { jsonrpc: '2.0' as const, id, error: { code: -32_600, message: error.message, data } };
}

function partsOf(
  checked: CheckedOptions,
  about: Pick<QueueContext, 'store' | 'definitions' | 'waits'>,
): McpServerOptions {
  const { settings, maxOutstanding, idempotencyTtlMs, log, retentionMs } = checked;
  const publicUrl = checked.publicUrl ?? '';
  const docsUrl = `${publicUrl}/errors`;
  // Links lead to the HTTP server on the same database, where there is one.
  const servesResults = publicUrl !== '';
  const { definitions } = about;
  const viewing: Viewing = { definitions, publicUrl, docsUrl, servesResults, retentionMs };
  const queue = { ...about, settings, maxOutstanding, idempotencyTtlMs, log };
  const places = new Places(WAITING_MAX);
  return { ...checked, queue, viewing, places, publicUrl, docsUrl };
}

/** Who is served, afresh for every call: a token that was revoked is refused at the next one. */
function callerOf(identify: Identify, requiredAbility: string | null): () => Promise<Call> {
  const ask = async () => {
    const who = await identify(null);
    if (who !== null && requiredAbility !== null && !can(who, requiredAbility)) {
      throw new JobError('TOKEN_MISSING_ABILITY', {
        context: { required_ability: requiredAbility },
      });
    }
    return who;
  };
  return async () => {
    const who = await ask();
    if (who === null) throw new JobError('AUTHENTICATION_REQUIRED');
    return { who, requestId: newId('req'), again: ask };
  };
}

/** Each message is a call of its own, with one id however often it is asked for. */
function perCall(first: Call, ask: () => Promise<Call>) {
  const calls = new WeakMap<AbortSignal, Call>();
  const callOf = ({ mcpReq: { signal } }: ServerContext): Call => {
    const call = calls.get(signal) ?? { ...first, requestId: newId('req') };
    calls.set(signal, call);
    return call;
  };
  const caller = async (context: ServerContext): Promise<Call> => {
    const { who } = await ask();
    return { ...callOf(context), who };
  };
  return { callOf, caller };
}

/** The application's own tools were made for whoever opened the connection: is he still welcome? */
function checkingTools(parts: McpServerOptions, ask: () => Promise<Call>): McpServerOptions {
  const { tools } = parts;
  if (tools === null) return parts;
  return {
    ...parts,
    tools: (mcp, context) => {
      const register = mcp.registerTool.bind(mcp) as Register;
      const checked: Register = (name, config, handler) =>
        register(name, config, async (...given) => {
          await ask();
          return handler(...given);
        });
      mcp.registerTool = checked as McpServer['registerTool'];
      tools(mcp, context);
    },
  };
}

type Register = (
  name: string,
  config: object,
  handler: (...given: unknown[]) => unknown,
) => ReturnType<McpServer['registerTool']>;

/** On a connection of its own, what changed is said on the connection. */
function notifierOf(mcp: () => McpServer): ServerNotifier {
  return {
    toolsChanged: () => mcp().sendToolListChanged(),
    promptsChanged: () => mcp().sendPromptListChanged(),
    resourcesChanged: () => mcp().sendResourceListChanged(),
    resourceUpdated: (uri) =>
      void mcp()
        .server.sendResourceUpdated({ uri })
        .catch(() => {}),
  };
}
