/**
 * The latest messages of a session, so that a client whose stream broke gets what it missed
 * (`Last-Event-ID`). In memory, and bounded: who was away for longer asks anew.
 */
import type { EventStore, JSONRPCMessage } from '@modelcontextprotocol/server';

const EVENTS_MAX = 100;

export class SessionEvents implements EventStore {
  readonly #events = new Map<
    string,
    { readonly stream: string; readonly message: JSONRPCMessage }
  >();
  #last = 0;

  async storeEvent(stream: string, message: JSONRPCMessage): Promise<string> {
    const id = String((this.#last += 1));
    this.#events.set(id, { stream, message });
    const [oldest] = this.#events.keys();
    if (this.#events.size > EVENTS_MAX && oldest !== undefined) this.#events.delete(oldest);
    return id;
  }

  async getStreamIdForEventId(id: string): Promise<string | undefined> {
    return this.#events.get(id)?.stream;
  }

  async replayEventsAfter(
    last: string,
    { send }: { readonly send: (id: string, message: JSONRPCMessage) => Promise<void> },
  ): Promise<string> {
    const stream = this.#events.get(last)?.stream ?? '';
    for (const [id, event] of this.#events) {
      const isMissed = event.stream === stream && Number(id) > Number(last);
      // Without a method, a result or an error it only told the client where to resume.
      if (isMissed && Object.keys(event.message).length > 0) await send(id, event.message);
    }
    return stream;
  }
}
