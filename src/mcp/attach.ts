import type { McpServer, RegisteredTool, ServerContext } from '@modelcontextprotocol/server';
import { definitionsOf, type AnyDefinition } from '../job/definition.ts';
import { JobError } from '../job/errors.ts';
import { newId } from '../job/ids.ts';
import { SILENT, type Logger } from '../job/log.ts';
import type { QueueContext } from '../queue/context.ts';
import { Waits } from '../queue/wait.ts';
import type { Identify } from '../team/identify.ts';
import type { JobTools } from './job-tools.ts';
import { Places, WAITING_MAX } from './places.ts';
import { registerSurfaces } from './surfaces.ts';
import { takeToolCalls } from './tool-call-seam.ts';
import { wireTool, type WiredTool } from './tool.ts';

export interface AttachOptions {
  /** Definitions: a list, a record, or the module that exports them (`import * as jobs`). */
  readonly jobs: Iterable<AnyDefinition> | object;
  readonly store: QueueContext['store'];
  /** Who asks; given the HTTP request, or null where there is none (stdio). */
  readonly identify: Identify;
  /** Absolute address of the server, for links in results and errors. Default empty. */
  readonly publicUrl?: string;
  /** Handed to `prepare`. */
  readonly settings?: unknown;
  /** Open jobs per team; 0 is off. Default 1,000. */
  readonly maxOutstanding?: number;
  /** How long an idempotency key is remembered, in milliseconds. Default 86,400,000 (1 day). */
  readonly idempotencyTtlMs?: number;
  /**
   * How long final jobs are kept after completion, in milliseconds; clients of tasks are told.
   * Default 2,592,000,000 (30 days).
   */
  readonly retentionMs?: number;
  readonly log?: Logger;
}

// Everything that does not change from one request to the next, for a factory that attaches at each.
const known = new WeakMap<object, ReadonlyMap<string, AnyDefinition>>();
const waiting = new WeakMap<AttachOptions['store'], Waiting>();

/** What all who wait share, whichever instance serves them. */
interface Waiting {
  readonly waits: Waits;
  readonly places: Places;
}

/**
 * Put the job tools on an `McpServer` of your own: a tool for each definition, those that look at
 * jobs and act on them, MCP Tasks and the resources. Your own tools stay as they are. Call it in your
 * server's factory, once per instance, before it is connected. A server that is not one of the SDK
 * v2 takes `jobTools` in its place.
 *
 * @throws TypeError when there is no definition
 */
export function attach(mcp: McpServer, options: AttachOptions): void {
  const names = new Set<unknown>();
  const tools = jobToolsFor(mcp, options, (name, { config, handler }) => {
    names.add(name);
    return mcp.registerTool(name, config, handler);
  });
  registerSurfaces(tools, { era: null, requiredAbility: null, abilities: {} });
  takeToolCalls(mcp.server, (name) => names.has(name));
}

/**
 * Everything that the job tools need.
 *
 * @param put takes one tool, ready to be called
 */
export function jobToolsFor(
  mcp: McpServer,
  options: AttachOptions,
  put: (name: string, wired: WiredTool) => RegisteredTool,
): JobTools {
  const { store, identify, publicUrl = '', log = SILENT, settings } = options;
  const { maxOutstanding = 1_000, idempotencyTtlMs = 86_400_000 } = options;
  const { retentionMs = 2_592_000_000 } = options;
  const definitions = definitionsIn(options.jobs);
  const docsUrl = `${publicUrl}/errors`;
  const requestIds = new WeakMap<AbortSignal, string>();
  const requestId = ({ mcpReq: { signal } }: ServerContext): string => {
    const id = requestIds.get(signal) ?? newId('req');
    requestIds.set(signal, id);
    return id;
  };
  const { waits, places } = waitingOn(store);
  const keeping = { maxOutstanding, idempotencyTtlMs, waits };
  return {
    mcp,
    queue: { store, definitions, settings, ...keeping, log },
    viewing: { definitions, publicUrl, docsUrl, servesResults: false, retentionMs },
    places,
    caller: async (context) => {
      const again = async () => identify(context.http?.req ?? null);
      const who = await again();
      if (who === null) throw new JobError('AUTHENTICATION_REQUIRED');
      return { who, requestId: requestId(context), again };
    },
    register: (name, config, handler) => {
      const answering = (context: ServerContext) => ({
        requestId: requestId(context),
        docsUrl,
        log,
      });
      return put(name, wireTool(name, { config, handler }, answering));
    },
  };
}

function waitingOn(store: AttachOptions['store']): Waiting {
  const shared = waiting.get(store) ?? { waits: new Waits(store), places: new Places(WAITING_MAX) };
  waiting.set(store, shared);
  return shared;
}

function definitionsIn(jobs: AttachOptions['jobs']): ReadonlyMap<string, AnyDefinition> {
  let found = known.get(jobs);
  if (found === undefined) {
    found = definitionsOf(Symbol.iterator in jobs ? [...(jobs as Iterable<object>)] : jobs);
    known.set(jobs, found);
  }
  return found;
}
