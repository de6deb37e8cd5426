/**
 * Server instances between two requests of one caller. To put all tools on a fresh instance costs
 * more than most calls do, so under load an instance serves one request after the other: one at a
 * time, of one caller with the same rights, and for a moment only, so that what an application
 * registers may change.
 */
import type { McpServer } from '@modelcontextprotocol/server';
import { monotonic } from '../job/clock.ts';
import type { Call, Served } from './mcp-server.ts';

/** An instance is used this long, in milliseconds. */
const USED_MS = 1_000;
/** Instances that are kept, of all callers. */
const KEPT_MAX = 256;

interface Ready {
  readonly mcp: McpServer;
  readonly served: { requestId: string };
  readonly until: number;
}

export class ReadyServers {
  readonly #make: (served: Served) => McpServer;
  /** By who it is, in every word. */
  readonly #idle = new Map<string, Ready[]>();
  #size = 0;
  /** Instances that were made before are not kept. */
  #since = 0;

  constructor(make: (served: Served) => McpServer) {
    this.#make = make;
  }

  /** An instance for one request; it comes back by itself when that is answered. */
  take({ who, requestId }: Call): McpServer {
    const key = JSON.stringify(who);
    for (let ready = this.#pop(key); ready !== null; ready = this.#pop(key)) {
      if (ready.until < monotonic()) continue;
      ready.served.requestId = requestId;
      return ready.mcp;
    }
    const served = { who, requestId };
    const mcp = this.#make(served);
    const ready = { mcp, served, until: monotonic() + USED_MS };
    const { onclose } = mcp.server;
    const rest = () => {
      onclose?.();
      this.#push(key, ready);
    };
    Object.assign(mcp.server, { onclose: rest });
    return mcp;
  }

  /** Begin anew, for what an instance would have may have changed. */
  forget(): void {
    this.#idle.clear();
    this.#size = 0;
    this.#since = monotonic();
  }

  #pop(key: string): Ready | null {
    const idle = this.#idle.get(key);
    const ready = idle?.pop();
    if (ready === undefined) return null;
    this.#size -= 1;
    if (idle?.length === 0) this.#idle.delete(key);
    return ready;
  }

  #push(key: string, ready: Ready): void {
    if (ready.until - USED_MS <= this.#since || ready.until < monotonic()) return;
    if (this.#size >= KEPT_MAX) this.forget();
    const idle = this.#idle.get(key);
    if (idle) idle.push(ready);
    else this.#idle.set(key, [ready]);
    this.#size += 1;
  }
}
