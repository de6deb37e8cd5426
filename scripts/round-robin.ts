/**
 * A load balancer as small as they come: each request goes to the next server, and past one that
 * does not answer. Enough to show that it does not matter who is asked.
 */
import { once } from 'node:events';
import {
  createServer,
  request as send,
  type ClientRequest,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';

export interface RoundRobin {
  /** Origin, without a trailing slash. */
  readonly url: string;
  /** Send requests to these origins from now on. */
  to(origins: readonly string[]): void;
  /** Requests that each origin has answered. */
  readonly answered: ReadonlyMap<string, number>;
  close(): Promise<void>;
}

export async function roundRobin(): Promise<RoundRobin> {
  let origins: readonly string[] = [];
  let turn = 0;
  const answered = new Map<string, number>();

  async function pass(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const first = (turn += 1);
    for (let i = 0; i < origins.length; i += 1) {
      const origin = origins[(first + i) % origins.length] ?? '';
      const { method = 'GET', headers, url = '/' } = incoming;
      // A connection of its own: one that is kept might have been closed meanwhile.
      const passed = send(new URL(url, origin), { method, headers, agent: false }).end(body);
      outgoing.once('close', () => passed.destroy());
      const answer = await answerOf(passed);
      if (answer === null) continue;
      answered.set(origin, (answered.get(origin) ?? 0) + 1);
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.once('error', () => outgoing.destroy());
      answer.pipe(outgoing);
      return;
    }
    outgoing.writeHead(502).end();
  }

  const server = createServer((incoming, outgoing) => {
    pass(incoming, outgoing).catch(() => outgoing.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    to(next) {
      origins = next;
    },
    answered,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Null when nobody listens there. Everything else may have been done, so it is not asked again. */
async function answerOf(passed: ClientRequest): Promise<IncomingMessage | null> {
  passed.on('error', () => {});
  try {
    const [answer] = (await once(passed, 'response')) as [IncomingMessage];
    return answer;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED') return null;
    throw error;
  }
}
