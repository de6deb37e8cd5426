import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { whenTakenTooSlowly } from './listen.ts';

/** Headers that are added to those of the response. */
type Extra = Readonly<Record<string, string>>;

interface Sending {
  /** Asked when the headers leave: for an answer, when there is one. */
  readonly extra: () => Extra;
  /** Aborted when the client has left; what is still to come is then cancelled. */
  readonly gone: AbortSignal;
}

/**
 * Write a web `Response` to a Node response; an event stream as it comes, anything else at once.
 *
 * The headers of a stream that answers a request leave with its first event, for what happens until
 * then may belong into them. A stream that only listens has its headers at once.
 */
export async function sendResponse(
  response: Response,
  outgoing: ServerResponse,
  { extra, gone }: Sending,
): Promise<void> {
  const { body, status } = response;
  // The SDK keeps the connection of every stream alive, also where the client asked for its end.
  response.headers.delete('connection');
  const headers = () => ({ ...Object.fromEntries(response.headers), ...extra() });
  if (body !== null && response.headers.get('content-type')?.startsWith('text/event-stream')) {
    const begin = () => {
      if (!outgoing.headersSent) outgoing.writeHead(status, headers());
    };
    if (outgoing.req.method === 'GET') {
      begin();
      outgoing.flushHeaders();
    }
    await stream(body, outgoing, { begin, gone });
    return;
  }
  const text = body === null ? '' : await response.text();
  outgoing.writeHead(status, { ...headers(), 'content-length': Buffer.byteLength(text) });
  // As text it leaves in one piece with the headers.
  outgoing.end(text);
}

async function stream(
  body: ReadableStream<Uint8Array>,
  outgoing: ServerResponse,
  { begin, gone }: { readonly begin: () => void; readonly gone: AbortSignal },
): Promise<void> {
  const reader = body.getReader();
  const cancel = () => void reader.cancel().catch(() => {});
  // Who left while his answer was made is told of by no event any more.
  if (gone.aborted) cancel();
  gone.addEventListener('abort', cancel, { once: true });
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (gone.aborted) break;
      begin();
      if (done) break;
      if (!outgoing.write(value)) await drained(outgoing, gone);
    }
    outgoing.end();
  } catch (error) {
    if (!gone.aborted) throw error;
  } finally {
    gone.removeEventListener('abort', cancel);
    cancel();
  }
}

/** Wait until the client has taken what is ready for it; one that does not in time is cut off. */
async function drained(outgoing: ServerResponse, gone: AbortSignal): Promise<void> {
  const stop = whenTakenTooSlowly(outgoing.req.socket, () => outgoing.destroy());
  try {
    await once(outgoing, 'drain', { signal: gone });
  } finally {
    stop();
  }
}
