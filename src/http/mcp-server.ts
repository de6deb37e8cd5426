/** The server instance that answers one request, or one session of the 2025 revisions. */
import type {
  AuthInfo,
  McpRequestContext,
  McpServer,
  ServerContext,
  ServerNotifier,
} from '@modelcontextprotocol/server';
import type { Caller } from '../mcp/job-tools.ts';
import type { Viewing } from '../mcp/job-view.ts';
import { JobsMcpServer } from '../mcp/jobs-mcp-server.ts';
import type { Places } from '../mcp/places.ts';
import { registerSurfaces } from '../mcp/surfaces.ts';
import type { QueueContext } from '../queue/context.ts';
import type { Identity } from '../team/identify.ts';
import { retryAfterSeconds } from './envelope.ts';
import type { ToolContext } from './options.ts';

/** One request that has passed the gate. */
export interface Call {
  readonly who: Identity;
  readonly requestId: string;
  /** Who it is now, for answers that take long; null when the credential is no longer valid. */
  readonly again: () => Promise<Identity | null>;
  /** Seconds after which a refused call may be sent again, when a tool was refused for that. */
  retryAfter?: number;
}

/**
 * What tools of the application see as `ctx.http.authInfo`, and the call with it: the SDK hands this
 * on as it is, in both eras, to the factory and to every handler. The token itself goes no further.
 */
export class CallAuth implements AuthInfo {
  readonly token = '';
  readonly clientId: string;
  readonly scopes: string[];
  readonly extra: Record<string, unknown>;
  // Not a weak map from one to the other: what lies in one survives until the next full collection
  // of garbage, and so would everything that a request has made.
  readonly #call: Call;

  constructor(call: Call) {
    const { team, owner, abilities } = call.who;
    this.clientId = owner;
    this.scopes = [...abilities];
    this.extra = { team, owner };
    this.#call = call;
  }

  static callIn(authInfo: AuthInfo | undefined): Call {
    if (authInfo !== undefined && #call in authInfo) return authInfo.#call;
    throw new Error('An MCP request came past the gate.');
  }
}

export interface McpServerOptions {
  readonly queue: QueueContext;
  readonly viewing: Viewing;
  /** For who waits for a result. */
  readonly places: Places;
  readonly name: string;
  readonly version: string;
  readonly publicUrl: string;
  readonly docsUrl: string;
  readonly requiredAbility: string | null;
  /** What the application's abilities allow, by their name. */
  readonly abilities: Readonly<Record<string, string>>;
  /** Registers the application's own tools. */
  readonly tools: ((mcp: McpServer, context: ToolContext) => void) | null;
}

const INSTRUCTIONS =
  'Tools that return a job_id only queue the work. Call get_job_status with that job_id and wait_seconds: 25, again and again without a pause, until status is completed or failed; then read result or error. A job outlives the session: list_jobs finds a job_id again.';

const CAPABILITIES = { tools: { listChanged: false }, resources: { listChanged: false } };

/** Whom an instance serves. */
export interface Serving {
  readonly era: McpRequestContext['era'];
  /** The call it was made for; the application's own tools act for its caller. */
  readonly served: Pick<Call, 'who' | 'requestId'>;
  readonly callOf: (context: ServerContext) => Call;
  /** Who sent a call, as it is now. */
  readonly caller: (context: ServerContext) => Promise<Caller> | Caller;
  readonly notify: ServerNotifier;
}

/** The one place where everything is put on a server, whatever carries its messages. */
export function serverFor(
  { era, served, callOf, caller, notify }: Serving,
  options: McpServerOptions,
): McpServer {
  const { queue, viewing, places, publicUrl, docsUrl, name, version, tools } = options;
  const { log, store, settings } = queue;
  const mcp = new JobsMcpServer(
    { name, version },
    { capabilities: CAPABILITIES, instructions: INSTRUCTIONS },
    (context) => {
      const call = callOf(context);
      return {
        requestId: call.requestId,
        docsUrl,
        log,
        onRefused: ({ code, context: facts }) => {
          if (code === 'RATE_LIMITED') call.retryAfter = retryAfterSeconds(facts);
        },
      };
    },
  );
  const { requiredAbility, abilities } = options;
  registerSurfaces(
    {
      mcp,
      queue,
      viewing,
      places,
      caller,
      register: (tool, config, run) => mcp.registerTool(tool, config, run),
    },
    { era, requiredAbility, abilities },
  );
  const { who, requestId } = served;
  tools?.(mcp, { who, requestId, store, publicUrl, settings, log, notify });
  return mcp;
}
