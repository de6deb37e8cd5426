/**
 * Questions that a server holds, on a connection that may break meanwhile. Where the answer has begun
 * to stream, clients of the SDK tell a break to `onerror` alone, and the call itself goes on waiting
 * until its time is over.
 */
import type { Client } from '@modelcontextprotocol/client';
import type { Limits } from './wait.ts';

type Reporter = Partial<Pick<Client, 'onerror'>>;

/** Who hears of troubles of a client, beside its owner. */
const listeners = new WeakMap<Reporter, Set<() => void>>();

/** @returns null, and the call is given up, when its client has met a trouble before the answer */
export async function unlessBroken<T>(
  client: Reporter,
  limits: Limits,
  call: (limits: Limits) => Promise<T>,
): Promise<T | null> {
  const given = new AbortController();
  const signal = limits.signal ? AbortSignal.any([limits.signal, given.signal]) : given.signal;
  const { promise: broken, resolve } = Promise.withResolvers<null>();
  const hear = (): void => {
    resolve(null);
    given.abort();
  };
  const heard = listenersOf(client).add(hear);
  try {
    return await Promise.race([call({ ...limits, signal }), broken]);
  } finally {
    heard.delete(hear);
  }
}

function listenersOf(client: Reporter): Set<() => void> {
  const known = listeners.get(client);
  if (known) return known;
  const hearing = new Set<() => void>();
  listeners.set(client, hearing);
  const before = client.onerror;
  // oxlint-disable-next-line unicorn/prefer-add-event-listener -- a client has only this
  client.onerror = (error) => {
    before?.call(client, error);
    for (const hear of hearing) hear();
  };
  return hearing;
}
