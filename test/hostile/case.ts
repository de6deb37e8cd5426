/** One hostile request, and how it is sent: bytes on a socket, so that nothing is made proper. */
import { Agent, request, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import { connect } from 'node:net';

export interface Case {
  /** The class of the case. */
  readonly kind: string;
  /** Tells the case from others of its class. */
  readonly what: string;
  readonly method?: string;
  readonly path?: string;
  /** Added to the usual ones; null takes a usual one away. */
  readonly headers?: Readonly<Record<string, string | readonly string[] | null>>;
  readonly body?: string | Buffer;
  /** The bytes of a whole request, in place of everything above. `TOKEN` stands for the token. */
  readonly raw?: string | Buffer;
  /** The tool that is called; what it accepts is counted. */
  readonly tool?: string;
}

export interface Reply {
  /** 0: the server closed the connection without an answer. */
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
  readonly ms: number;
}

/** An event stream that says nothing is left alone after this time. */
const STREAM_MS = 400;
/** A connection that the server neither answers nor closes is given up; the case has hung. */
const HUNG_MS = 5_000;

const agent = new Agent({ keepAlive: true, maxSockets: 16 });

export async function sendCase(url: string, token: string, one: Case): Promise<Reply> {
  const startedAt = performance.now();
  const reply = await (one.raw === undefined
    ? sendRequest(url, token, one)
    : sendRaw(url, token, one.raw));
  return { ...reply, ms: performance.now() - startedAt };
}

/** Close the connections that are kept for the next case. */
export function closeConnections(): void {
  agent.destroy();
}

type Untimed = Omit<Reply, 'ms'>;

const CLOSED: Untimed = { status: 0, headers: {}, text: '' };

async function sendRequest(url: string, token: string, one: Case): Promise<Untimed> {
  const headers: OutgoingHttpHeaders = {};
  const usual = {
    authorization: `Bearer ${token}`,
    accept: 'application/json, text/event-stream',
    'content-type': 'application/json',
  };
  for (const [name, value] of Object.entries({ ...usual, ...one.headers })) {
    if (value !== null) headers[name] = value as string | string[];
  }
  const { promise, resolve, reject } = Promise.withResolvers<Untimed>();
  const method = one.method ?? 'POST';
  const asked = request(url, { agent, method, path: one.path ?? '/mcp', headers }, (response) => {
    readResponse(response).then(resolve, reject);
  });
  const hung = setTimeout(() => asked.destroy(new Error('hung')), HUNG_MS);
  asked.on('error', (error: NodeJS.ErrnoException) => {
    const isClosed = ['ECONNRESET', 'EPIPE'].includes(error.code ?? '');
    if (isClosed) resolve(CLOSED);
    else reject(error);
  });
  asked.end(one.body ?? '');
  return promise.finally(() => clearTimeout(hung));
}

async function readResponse(response: IncomingMessage): Promise<Untimed> {
  const isStream = response.headers['content-type']?.startsWith('text/event-stream') ?? false;
  const enough = isStream ? setTimeout(() => response.destroy(), STREAM_MS) : undefined;
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  } catch (error) {
    if (!isStream && (error as NodeJS.ErrnoException).code !== 'ECONNRESET') throw error;
  } finally {
    clearTimeout(enough);
  }
  const text = Buffer.concat(chunks).toString('utf8');
  return { status: response.statusCode ?? 0, headers: response.headers, text };
}

/** The server closes the connection when it has answered, or when half of a request was all. */
async function sendRaw(url: string, token: string, raw: string | Buffer): Promise<Untimed> {
  const { hostname, port } = new URL(url);
  const { promise, resolve, reject } = Promise.withResolvers<Untimed>();
  const socket = connect(Number(port), hostname);
  const chunks: Buffer[] = [];
  const hung = setTimeout(() => reject(new Error('hung')), HUNG_MS);
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.on('error', () => {});
  socket.once('close', () => resolve(rawReply(Buffer.concat(chunks).toString('latin1'))));
  socket.end(typeof raw === 'string' ? raw.replaceAll('TOKEN', token) : raw);
  return promise.finally(() => {
    clearTimeout(hung);
    socket.destroy();
  });
}

function rawReply(all: string): Untimed {
  const text = all.replace(/^HTTP\/1\.1 100 Continue\r\n\r\n/, '');
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0);
  const [, body = ''] = text.split('\r\n\r\n', 2);
  return { status, headers: {}, text: body };
}
