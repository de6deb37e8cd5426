/**
 * The job tools as plain data and functions, for servers that `attach` cannot serve: those of the
 * v1 SDK, or of another framework. They are the tools alone, without tasks and resources.
 */
import {
  McpServer,
  type RegisteredTool,
  type ServerContext,
  type ToolAnnotations,
} from '@modelcontextprotocol/server';
import { jobToolsFor, type AttachOptions } from './attach.ts';
import { registerJobTools } from './job-tools.ts';

/** What is known of a call. The second argument of a handler of the v1 SDK fits. */
export interface PlainCall {
  /** Aborted when the caller has gone. */
  readonly signal?: AbortSignal;
  /** What `identify` is given; where it is missing, a request with the headers of `requestInfo`. */
  readonly request?: Request;
  readonly requestInfo?: { readonly headers: Readonly<Record<string, unknown>> } | undefined;
  /** Of the request; a progress token and an idempotency key are read from it. */
  readonly _meta?: object | undefined;
  /** Sends what is told while a call waits. */
  readonly sendNotification?: (notification: never) => Promise<void>;
}

/** The schema of an object, in the words of JSON Schema 2020-12. */
export interface PlainSchema {
  type: 'object';
  [keyword: string]: unknown;
}

/** The result of a `tools/call`. */
export interface PlainAnswer {
  content: (
    { type: 'text'; text: string } | { type: 'resource_link'; uri: string; name: string }
  )[];
  structuredContent?: Record<string, unknown>;
  isError?: boolean;
  [member: string]: unknown;
}

/** One tool, as every MCP server can register it. */
export interface PlainTool {
  readonly name: string;
  readonly title?: string;
  readonly description: string;
  readonly inputSchema: PlainSchema;
  readonly outputSchema?: PlainSchema;
  readonly annotations?: ToolAnnotations;
  /** Checks the arguments itself. Never throws: what goes wrong is an answer with `isError`. */
  readonly handler: (args: unknown, call?: PlainCall) => Promise<PlainAnswer>;
}

/**
 * A tool for each definition, and those that look at jobs and act on them.
 *
 * @throws TypeError when there is no definition
 */
export function jobTools(options: AttachOptions): readonly PlainTool[] {
  const found: PlainTool[] = [];
  // Stands in for the server that is not there: it is never connected, so nobody can be asked.
  const nobody = new McpServer({ name: 'mcp-async-jobs', version: '0' });
  const tools = jobToolsFor(nobody, options, (name, { config, handler }) => {
    const { inputSchema, outputSchema, description = '', ...rest } = config;
    found.push({
      ...rest,
      name,
      description,
      inputSchema: inputSchema.json as unknown as PlainSchema,
      ...(outputSchema && { outputSchema: outputSchema.json as unknown as PlainSchema }),
      handler: async (args, call = {}) => (await handler(args, contextOf(call))) as PlainAnswer,
    });
    return {} as RegisteredTool;
  });
  registerJobTools(tools);
  return found;
}

function contextOf(call: PlainCall): ServerContext {
  const { requestInfo, request = requestInfo && requestOf(requestInfo.headers) } = call;
  const notify = call.sendNotification as ((notification: object) => Promise<void>) | undefined;
  const mcpReq = {
    id: 0,
    method: 'tools/call',
    _meta: call._meta,
    // Facts of the call are kept by its signal, so each has one of its own.
    signal: AbortSignal.any(call.signal === undefined ? [] : [call.signal]),
    requestState: () => undefined,
    notify: async (notification: object) => notify?.(notification),
  };
  return { mcpReq, ...(request && { http: { req: request } }) } as unknown as ServerContext;
}

function requestOf(headers: Readonly<Record<string, unknown>>): Request {
  const texts = Object.entries(headers).filter(([, value]) => typeof value === 'string');
  return new Request('http://mcp.invalid/', { headers: texts as [string, string][] });
}
