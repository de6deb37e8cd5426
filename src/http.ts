/** A whole server, and who may use it. Every export here is public API. */
export { bearer } from './http/bearer.ts';
export type { BearerOptions } from './http/bearer.ts';
export { local } from './http/local.ts';
export type { RouteContext, ServeOptions, Serving, ToolContext } from './http/options.ts';
export { serve } from './http/serve.ts';
export type { Identify, Identity } from './team/identify.ts';
export { tokens } from './team/tokens.ts';
export type { TokensOptions } from './team/tokens.ts';
export { listTokens } from './team/mint.ts';
export type { TokenInfo } from './team/mint.ts';
