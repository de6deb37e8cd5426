/** Which Host and Origin are answered, and whose address a request came from. */
import type { IncomingMessage } from 'node:http';
import { JobError } from '../job/errors.ts';
import { printable } from '../job/printable.ts';

export interface Addresses {
  /** @throws JobError ORIGIN_REFUSED */
  check(incoming: IncomingMessage): void;
  clientOf(incoming: IncomingMessage): string;
}

export interface AddressOptions {
  readonly host: string;
  readonly publicUrl: string;
  readonly allowHosts: readonly string[];
  readonly allowOrigins: readonly string[];
  readonly trustProxy: boolean;
}

/** Names for the machine itself, as they stand in a URL. */
const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

/** What browsers send, and nothing that only looks like it: no user, no path, no other scheme. */
const HOST = /^([\w.-]+|\[[\da-f:.]+\])(:\d{1,5})?$/i;
const ORIGIN = /^https?:\/\/([\w.-]+|\[[\da-f:.]+\])(:\d{1,5})?$/i;

/** Whether a server that listens there can be reached from its own machine alone. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/**
 * A browser that was lured onto a name of somebody else's still sends that name as Host, and the
 * page's address as Origin. Neither is answered unless it is known.
 */
export function addresses(options: AddressOptions): Addresses {
  const names = [options.host, new URL(options.publicUrl).hostname, ...options.allowHosts];
  const hosts = new Set([...LOOPBACK, ...names.map(hostName)]);
  const origins = new Set(options.allowOrigins.map((origin) => new URL(origin).origin));
  return {
    check(incoming) {
      const host = headerOf(incoming, 'host');
      const origin = headerOf(incoming, 'origin');
      if (!HOST.test(host ?? '') || !hosts.has(hostnameOf(`http://${host}`))) refuse('Host', host);
      if (origin === undefined || origins.has(origin)) return;
      if (!ORIGIN.test(origin) || !hosts.has(hostnameOf(origin))) refuse('Origin', origin);
    },
    clientOf({ headers, socket }) {
      const forwarded = options.trustProxy ? headers['x-forwarded-for'] : undefined;
      const last = [forwarded].flat().join(',').split(',').at(-1)?.trim();
      return last || (socket.remoteAddress ?? '');
    },
  };
}

/** As `URL` writes a host: lower case, IPv6 in brackets. */
function hostName(name: string): string {
  return hostnameOf(`http://${name.includes(':') && !name.startsWith('[') ? `[${name}]` : name}`);
}

function hostnameOf(url: string): string {
  return URL.parse(url)?.hostname ?? '';
}

/**
 * Of two, somebody before us may have looked at the other one; together they are none. Node's
 * `headersDistinct` would tell them too, but throws in some releases where a name is `__proto__`.
 */
function headerOf({ rawHeaders }: IncomingMessage, name: string): string | undefined {
  const isValue = (_: string, at: number) =>
    at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === name;
  const values = rawHeaders.filter(isValue);
  return values.length > 0 ? values.join(', ') : undefined;
}

function refuse(header: string, value: string | undefined): never {
  const isPlain = (header === 'Host' ? HOST : ORIGIN).test(value ?? '') && !value?.includes('mpt_');
  const shown =
    value === undefined ? 'absent' : isPlain ? `"${printable(value, 100)}"` : 'malformed';
  throw new JobError('ORIGIN_REFUSED', {
    message: `The ${header} of the request is ${shown}; this server does not answer to it.`,
  });
}
