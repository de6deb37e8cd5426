/** Who speaks which generation of MCP Tasks, and what is said of ours. */
import {
  CLIENT_CAPABILITIES_META_KEY,
  MissingRequiredClientCapabilityError,
  PROTOCOL_VERSION_META_KEY,
  type ClientCapabilities,
  type McpServer,
  type ServerContext,
} from '@modelcontextprotocol/server';
import { filterInitialize, hasSeam } from './tool-call-seam.ts';

/** Names the extension of 2026-07-28. */
export const TASKS = 'io.modelcontextprotocol/tasks';

/** Whether the request is of 2026-07-28 or later; those name their revision in their `_meta`. */
export function isModern({ mcpReq: { envelope } }: ServerContext): boolean {
  return namesRevision(envelope);
}

export function namesRevision(meta: unknown): boolean {
  return typeof meta === 'object' && meta !== null && PROTOCOL_VERSION_META_KEY in meta;
}

/** The capabilities that a request of 2026-07-28 declares, as they came. */
function declaredIn(envelope: object | undefined): ClientCapabilities | undefined {
  return (envelope as Record<string, ClientCapabilities> | undefined)?.[
    CLIENT_CAPABILITIES_META_KEY
  ];
}

/** Whether the request declares the Tasks extension. A 2025 request never does. */
export function declaresTasks(context: ServerContext): boolean {
  return isModern(context) && hasTasks(declaredIn(context.mcpReq.envelope));
}

export function hasTasks(capabilities: ClientCapabilities | undefined): boolean {
  const declared: unknown = capabilities?.extensions?.[TASKS];
  return typeof declared === 'object' && declared !== null && !Array.isArray(declared);
}

/**
 * Whether whoever sent the request can be shown a form before it is answered: in 2026-07-28 by what
 * the request declares, in 2025 by what the session did.
 */
export function canBeAsked(mcp: McpServer, context: ServerContext): boolean {
  const capabilities = isModern(context)
    ? declaredIn(context.mcpReq.envelope)
    : mcp.server.getClientCapabilities();
  const elicitation = capabilities?.elicitation;
  if (elicitation === undefined) return false;
  // A bare `{}` is from before there were modes, and means forms.
  return elicitation.form !== undefined || elicitation.url === undefined;
}

/** -32021, which names the extension. */
export function tasksRequired(): MissingRequiredClientCapabilityError {
  return new MissingRequiredClientCapabilityError({
    requiredCapabilities: { extensions: { [TASKS]: {} } },
  });
}

/**
 * Advertise Tasks: to each generation its own, never the other's.
 *
 * @param era of the one request that the server is for; null when it may be either
 */
export function advertiseTasks({ server }: McpServer, era: 'modern' | 'legacy' | null): void {
  // The SDK leaves `tasks` out of what it tells 2026 clients. Without the seam no 2025 client gets any.
  if (era !== 'modern' && hasSeam(server)) {
    server.registerCapabilities({
      tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } },
    });
  }
  // Exactly `{}`: clients take anything else for a server without tasks.
  if (era !== 'legacy') server.registerCapabilities({ extensions: { [TASKS]: {} } });
  if (era === null) filterInitialize(server, withoutTasks);
}

function withoutTasks(result: object): object {
  const { capabilities = {} } = result as {
    readonly capabilities?: { readonly extensions?: Readonly<Record<string, unknown>> };
  };
  const { extensions, ...others } = capabilities;
  const { [TASKS]: _, ...kept } = extensions ?? {};
  const some = Object.keys(kept).length > 0 && { extensions: kept };
  return { ...result, capabilities: { ...others, ...some } };
}
