/**
 * One server instance of the SDK with every tool on it: for one HTTP request, or for one stdio
 * connection. Both are made here, so that both offer the same.
 */
import type { McpServer, ServerContext } from '@modelcontextprotocol/server';
import { registerJobTools, type Caller } from '../mcp/job-tools.ts';
import type { Viewing } from '../mcp/job-view.ts';
import { JobsMcpServer } from '../mcp/jobs-mcp-server.ts';
import type { Answering } from '../mcp/tool-answer.ts';
import type { QueueContext } from '../queue/context.ts';
import type { ToolContext } from './options.ts';

export interface McpServerParts {
  readonly queue: QueueContext;
  readonly viewing: Viewing;
  readonly name: string;
  readonly version: string;
  readonly publicUrl: string;
  readonly docsUrl: string;
  /** Registers the application's own tools. */
  readonly tools: ((mcp: McpServer, context: ToolContext) => void) | null;
}

/** Who is behind the instance. */
export interface Behind {
  /** As it was when the instance was made; the application's own tools act for it. */
  readonly made: Caller;
  /** Who sent a call, as it is now. */
  readonly caller: (context: ServerContext) => Promise<Caller> | Caller;
  readonly requestId: (context: ServerContext) => string;
  readonly onRefused?: Answering['onRefused'];
}

const INSTRUCTIONS =
  'Tools that return a job_id only queue the work. Call get_job_status with that job_id and wait_seconds: 25, again and again without a pause, until status is completed or failed; then read result or error. A job outlives the session: list_jobs finds a job_id again.';

export function makeMcpServer(parts: McpServerParts, behind: Behind): McpServer {
  const { queue, viewing, publicUrl, docsUrl, name, version, tools } = parts;
  const { log, store, settings } = queue;
  const { made, caller, requestId, onRefused } = behind;
  const mcp = new JobsMcpServer(
    { name, version },
    { capabilities: { tools: { listChanged: false } }, instructions: INSTRUCTIONS },
    (context) => ({ requestId: requestId(context), docsUrl, log, ...(onRefused && { onRefused }) }),
  );
  registerJobTools({
    mcp,
    queue,
    viewing,
    caller,
    register: (tool, config, run) => mcp.registerTool(tool, config, run),
  });
  tools?.(mcp, { ...made, store, publicUrl, settings, log });
  return mcp;
}
