/** The listening socket, with the bounds that cut slow and silent clients off. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { monotonic } from '../job/clock.ts';

/** A request whose headers and body have not come by then is cut off. */
const REQUEST_MS = 12_000;
/**
 * A client that takes fewer bytes in this time of an answer, or of what is ready of a stream, and
 * does not have all of it by then, is cut off.
 */
const ANSWER_MS = 12_000;
const ANSWER_BYTES = 49_152;
/** A client that goes on taking an answer, however slowly, has this long for the whole. */
const ANSWER_WHOLE_MS = 60_000;
/** What was taken is looked at this often. */
const ANSWER_LOOK_MS = 1_000;
/** Connections that may wait to be accepted; the system may allow fewer. */
const BACKLOG = 4_096;
/** Requests that may be under way on one connection; clients that wait for answers have one. */
const PIPELINED_MAX = 16;
/** A connection on which nothing moves, in either direction, is cut off. */
const SILENCE_MS = 60_000;
/** An idle connection is kept this long for the next request of its client. */
const KEEP_ALIVE_MS = 30_000;
/** While the server closes, connections that have become idle are closed this often. */
const IDLE_LOOK_MS = 50;

/**
 * Take a port. Nothing is answered before a `request` listener is added.
 *
 * @throws Error that says what to do, when the port cannot be had
 */
export async function listen(
  host: string,
  port: number,
): Promise<{ server: Server; port: number }> {
  const server = createServer({
    headersTimeout: REQUEST_MS,
    requestTimeout: REQUEST_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: 1_000,
    maxHeaderSize: 16_384,
    noDelay: true,
  });
  server.timeout = SILENCE_MS;
  boundAnswers(server);
  server.listen({ port, host, backlog: BACKLOG });
  try {
    await once(server, 'listening');
  } catch (cause) {
    throw new Error(`Cannot listen on ${host}:${port}: ${why(cause)}`, { cause });
  }
  return { server, port: (server.address() as AddressInfo).port };
}

/** What is answered to a client that does not read stays in memory, so there is little of it. */
function boundAnswers(server: Server): void {
  const open = new WeakMap<Socket, number>();
  server.on('request', ({ socket }, outgoing) => {
    const before = open.get(socket) ?? 0;
    open.set(socket, before + 1);
    if (before >= PIPELINED_MAX) socket.destroy();
    outgoing.once('close', () => open.set(socket, (open.get(socket) ?? 1) - 1));
    outgoing.once('prefinish', () => {
      outgoing.once(
        'close',
        whenTakenTooSlowly(socket, () => socket.destroy()),
      );
    });
  });
}

/**
 * Watch how a client takes what is ready for it.
 *
 * @param cut called when that is too slow
 * @returns how to stop
 */
export function whenTakenTooSlowly(socket: Socket, cut: () => void): () => void {
  const startedAt = monotonic();
  let seen = { bytes: takenFrom(socket), at: startedAt };
  const look = setInterval(() => {
    const at = monotonic();
    const bytes = takenFrom(socket);
    if (bytes - seen.bytes >= ANSWER_BYTES) seen = { bytes, at };
    if (at - seen.at < ANSWER_MS && at - startedAt < ANSWER_WHOLE_MS) return;
    clearInterval(look);
    cut();
  }, ANSWER_LOOK_MS).unref();
  return () => clearInterval(look);
}

/**
 * Bytes that the system has taken for the other side. What a socket itself tells (`bytesWritten`,
 * `writableLength`) counts a piece of any size only when all of it was taken, so this is read where
 * Node's own timeout reads it; without it, nothing counts as taken.
 */
function takenFrom(socket: Socket): number {
  const { _handle: handle } = socket as Socket & {
    readonly _handle?: { readonly bytesWritten?: number; readonly writeQueueSize?: number } | null;
  };
  const { bytesWritten = 0, writeQueueSize = bytesWritten } = handle ?? {};
  return bytesWritten - writeQueueSize;
}

function why(error: unknown): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'EADDRINUSE':
      return 'the port is in use. Choose another one, or 0 for any that is free.';
    case 'EACCES':
      return 'this user may not use the port. Choose one above 1023.';
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return 'this machine has no such address. Choose another host.';
    default:
      return `${(error as Error).message}.`;
  }
}

/** Take no new connections, let answers end for `graceMs`, then cut what is left. */
export async function closeServer(server: Server, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  server.closeIdleConnections();
  // A connection whose answer ends only now would be kept for the next request of its client.
  const idle = setInterval(() => server.closeIdleConnections(), IDLE_LOOK_MS);
  const cut = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearInterval(idle);
  clearTimeout(cut);
}
