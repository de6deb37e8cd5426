/** Job tools on an MCP server of one's own. Every export here is public API. */
export { attach } from './mcp/attach.ts';
export type { AttachOptions } from './mcp/attach.ts';
export { jobTools } from './mcp/plain-tools.ts';
export type { PlainAnswer, PlainCall, PlainSchema, PlainTool } from './mcp/plain-tools.ts';
