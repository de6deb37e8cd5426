/** The target of a request: mostly a path, and a whole address where a proxy writes it. */
import type { IncomingMessage } from 'node:http';

const WHOLE = /^https?:\/\/([^/?#]*)(.*)$/i;

/**
 * Give a request with a whole address the form of one with a path: the host of the address stands in
 * the place of that of the header (RFC 9112, 3.2.2).
 */
export function toPathForm(incoming: IncomingMessage): void {
  const [, host, rest] = WHOLE.exec(incoming.url ?? '') ?? [];
  if (host === undefined || rest === undefined) return;
  const { headers, rawHeaders } = incoming;
  incoming.url = rest.startsWith('/') ? rest : `/${rest}`;
  if (headers.host === undefined) rawHeaders.push('Host', host);
  headers.host = host;
  // Two of them stay two.
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (rawHeaders[at]?.toLowerCase() === 'host') rawHeaders[at + 1] = host;
  }
}
