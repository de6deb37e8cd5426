/** The listening socket, with the bounds that cut slow and silent clients off. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** A request whose headers and body have not come by then is cut off. */
const REQUEST_MS = 12_000;
/** A client that has not taken a whole answer by then, or what is ready of a stream, is cut off. */
export const ANSWER_MS = 12_000;
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
      const late = setTimeout(() => socket.destroy(), ANSWER_MS).unref();
      outgoing.once('close', () => clearTimeout(late));
    });
  });
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
