/** `subscriptions/listen` over HTTP, frame by frame. */
import assert from 'node:assert/strict';
import { message2026, type Speaker } from './wire.ts';

export interface Stream {
  // Frames are asserted on, field by field.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly frames: any[];
  readonly isEnded: () => boolean;
  readonly close: () => Promise<void>;
}

export async function openStream(
  url: string,
  notifications: object,
  speaker?: Speaker,
): Promise<Stream> {
  const stop = new AbortController();
  const request = message2026('subscriptions/listen', { notifications }, speaker);
  const response = await fetch(url, { ...request, signal: stop.signal });
  assert.match(response.headers.get('content-type') ?? '', /^text\/event-stream/);
  const frames: unknown[] = [];
  let isEnded = false;
  const read = async (): Promise<void> => {
    let text = '';
    for await (const chunk of response.body ?? []) {
      text += new TextDecoder().decode(chunk as Uint8Array);
      const parts = text.split('\n\n');
      text = parts.pop() ?? '';
      for (const part of parts) {
        const [, data] = /^data: (.*)$/m.exec(part) ?? [];
        if (data !== undefined) frames.push(JSON.parse(data));
      }
    }
  };
  const reading = read()
    .catch(() => {})
    .finally(() => {
      isEnded = true;
    });
  return {
    frames,
    isEnded: () => isEnded,
    async close() {
      stop.abort();
      await reading;
    },
  };
}
