/**
 * `inputResponses` of `tasks/update` that are no object.
 *
 * Why here: the SDK takes the member out of the params before any handler, and makes an empty object
 * of a list, a text or a number, so that a caller's mistake looks like no answers at all. It is left
 * out on its way into the SDK, which goes on with all its checks; the handler then finds none, and
 * says so.
 */
import type { Server, Transport } from '@modelcontextprotocol/server';

type Receive = NonNullable<Transport['onmessage']>;

/** Call it once per server, before it is connected. */
export function dropMalformedAnswers(server: Server): void {
  const connect = server.connect.bind(server);
  server.connect = async (transport) => {
    await connect(transport);
    const receive = transport.onmessage as Receive;
    // oxlint-disable-next-line unicorn/prefer-add-event-listener -- a Transport is no EventTarget
    transport.onmessage = (message, extra) => receive(withoutMalformed(message), extra);
  };
}

function withoutMalformed(message: Parameters<Receive>[0]): Parameters<Receive>[0] {
  if (!('method' in message) || message.method !== 'tasks/update') return message;
  const { inputResponses, ...params } = message.params ?? {};
  const isObject =
    typeof inputResponses === 'object' && inputResponses !== null && !Array.isArray(inputResponses);
  return isObject ? message : { ...message, params };
}
