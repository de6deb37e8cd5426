import {
  McpServer,
  type ServerContext,
  type Implementation,
  type McpServerOptions,
  type RegisteredTool,
} from '@modelcontextprotocol/server';
import type { Answering } from './tool-answer.ts';
import { takeToolCalls } from './tool-call-seam.ts';
import { wireTool, type ToolConfig, type ToolHandler } from './tool.ts';

/**
 * An `McpServer` whose tools answer in the house style: every wrong argument is
 * `VALIDATION_FAILED` in the standard envelope, so is every `JobError` that a tool throws, and a
 * tool may return a plain object.
 */
export class JobsMcpServer extends McpServer {
  readonly #answering: (context: ServerContext) => Answering;
  readonly #tools = new Set<unknown>();

  constructor(
    info: Implementation,
    options: McpServerOptions,
    answering: (context: ServerContext) => Answering,
  ) {
    super(info, options);
    this.#answering = answering;
  }

  override registerTool(name: string, config: ToolConfig, handler: unknown): RegisteredTool {
    const wired = wireTool(name, { config, handler: handler as ToolHandler }, this.#answering);
    const registered = super.registerTool(name, wired.config, wired.handler);
    if (this.#tools.size === 0) takeToolCalls(this.server, (tool) => this.#tools.has(tool));
    this.#tools.add(name);
    return registered;
  }
}
