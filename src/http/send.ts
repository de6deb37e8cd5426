import { once } from 'node:events';
import type { ServerResponse } from 'node:http';

/** Headers that are added to those of the response. */
type Extra = Readonly<Record<string, string>>;

/**
 * Write a web `Response` to a Node response; an event stream as it comes, anything else at once.
 *
 * @param gone aborted when the client has left; what is still to come is then cancelled
 */
export async function sendResponse(
  response: Response,
  outgoing: ServerResponse,
  { extra, gone }: { readonly extra: Extra; readonly gone: AbortSignal },
): Promise<void> {
  const headers = { ...Object.fromEntries(response.headers), ...extra };
  const { body } = response;
  if (body !== null && headers['content-type']?.startsWith('text/event-stream')) {
    outgoing.writeHead(response.status, headers);
    outgoing.flushHeaders();
    await stream(body, outgoing, gone);
    return;
  }
  const bytes = Buffer.from(body === null ? '' : await response.text());
  outgoing.writeHead(response.status, { ...headers, 'content-length': bytes.length });
  outgoing.end(bytes);
}

async function stream(
  body: ReadableStream<Uint8Array>,
  outgoing: ServerResponse,
  gone: AbortSignal,
): Promise<void> {
  const reader = body.getReader();
  const cancel = () => void reader.cancel().catch(() => {});
  gone.addEventListener('abort', cancel, { once: true });
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done || gone.aborted) break;
      if (!outgoing.write(value)) await once(outgoing, 'drain', { signal: gone });
    }
    outgoing.end();
  } catch (error) {
    if (!gone.aborted) throw error;
  } finally {
    gone.removeEventListener('abort', cancel);
  }
}
