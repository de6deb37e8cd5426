import type { McpServer, ServerNotifier } from '@modelcontextprotocol/server';
import type { Hono } from 'hono';
import type { Logger } from '../job/log.ts';
import type { Who } from '../job/who.ts';
import type { Migrations } from '../store/migrations.ts';
import type { Store } from '../store/store.ts';
import type { Identify } from '../team/identify.ts';

/** What a synchronous tool of the application is given, afresh for each request. */
export interface ToolContext {
  readonly who: Who;
  readonly store: Store;
  /** Absolute address of the server, without a trailing slash. */
  readonly publicUrl: string;
  readonly settings: unknown;
  readonly requestId: string;
  readonly log: Logger;
  /** Tells 2026-07-28 clients that listen of changed tools, prompts and resources. */
  readonly notify: ServerNotifier;
}

/** What a route of the application is given, once. */
export interface RouteContext {
  readonly store: Store;
  readonly publicUrl: string;
  readonly settings: unknown;
  readonly log: Logger;
  /** Who sent the request; null when its token is missing or invalid. Counts against the rate limits. */
  readonly identify: Identify;
}

export interface ServeOptions {
  /** The module that exports the job definitions; workers import it too. */
  readonly jobs: URL;
  /** Path of the SQLite file (made when missing), `postgres://...`, or an opened store. */
  readonly db: string | Store;
  /** Who asks. There is no default: `tokens(store)`, `bearer(verifier, { team })` or `local()`. */
  readonly identify: Identify;
  /** Name and version that MCP clients are told. Default `mcp-async-jobs` and the package's version. */
  readonly name?: string;
  readonly version?: string;
  /** Ability without which no MCP request is served. Default none. */
  readonly requiredAbility?: string;
  /** What the application's own abilities allow, by their name: listed as a resource. Default none. */
  readonly abilities?: Readonly<Record<string, string>>;
  /** Register synchronous tools with plain `mcp.registerTool`. Called for each request. */
  readonly tools?: (mcp: McpServer, context: ToolContext) => void;
  /** Add plain Hono routes. Called once. */
  readonly routes?: (app: Hono, context: RouteContext) => void;
  /** The application's own tables, when `db` is a path or an address. */
  readonly migrations?: readonly Migrations[];
  /** Called at start and then hourly, for the application's own housekeeping. */
  readonly maintain?: (store: Store) => Promise<void>;
  /** Handed to `prepare`, `run` and tools; must survive structured cloning. Never stored or logged. */
  readonly settings?: unknown;
  /** Address to listen on. Default 127.0.0.1. */
  readonly host?: string;
  /** Port to listen on; 0 takes a free one. Default 3000. */
  readonly port?: number;
  /** Absolute address that clients use. Default `http://host:port`. */
  readonly publicUrl?: string;
  /** Further Host names (without port) that are answered. Default the listening host, localhost and that of `publicUrl`. */
  readonly allowHosts?: readonly string[];
  /** Further Origins that are answered. Default those of the allowed hosts. */
  readonly allowOrigins?: readonly string[];
  /** Take the client's address from `X-Forwarded-For`. Default false. */
  readonly trustProxy?: boolean;
  /**
   * Requests a minute per token; 0 turns this off, and with it the limit of 5 a minute per address
   * without a valid token. Default 120.
   */
  readonly rateLimit?: number;
  /** Open jobs per team; 0 is off. Default 1,000. */
  readonly maxOutstanding?: number;
  /** How long an idempotency key is remembered, in milliseconds. Default 86,400,000 (1 day). */
  readonly idempotencyTtlMs?: number;
  /** Final jobs are kept this long after completion, in milliseconds. Default 2,592,000,000 (30 days). */
  readonly retentionMs?: number;
  /** Streams of `subscriptions/listen` with task ids that may be open at once. Default 10,000; 0..100,000. */
  readonly maxSubscriptions?: number;
  /**
   * Give clients of the 2025 revisions sessions, kept in the memory of this process, and with them
   * a way from the server to the client. Default false: every request stands alone.
   */
  readonly sessionful?: boolean;
  /** Largest request body, in bytes. Default 1,048,576. */
  readonly maxBodyBytes?: number;
  /** Worker processes to supervise; 0 runs none. Default 1; 0..64. */
  readonly workers?: number;
  /** Handlers at once in each worker. Default 1; 1..1,000. */
  readonly concurrency?: number;
  /** Running jobs of each team at most, over all workers of the database; 0 is off. Default 0; 0..10,000. */
  readonly maxRunningPerTeam?: number;
  /** How long a lease lasts, in milliseconds. Default 15,000; 1,000..3,600,000. */
  readonly leaseMs?: number;
  /** Run handlers inside this process instead of worker processes; for tests and embedding. Default false. */
  readonly inProcess?: boolean;
  readonly log?: Logger;
}

/** A server that is listening. */
export interface Serving {
  /** Address of the MCP endpoint, ending in `/mcp`. */
  readonly url: string;
  readonly publicUrl: string;
  readonly store: Store;
  /** Process ids of the supervised workers, for operators and tests. */
  readonly workerPids: () => readonly number[];
  /** Stop claiming, finish or hand back what runs (at most `graceMs`, default 5,000), close everything. */
  close(options?: { readonly graceMs?: number }): Promise<void>;
}
