/** What a client of a session gets again whose stream broke. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SessionEvents } from '../../src/http/session-events.ts';

const said = (n: number) => ({ jsonrpc: '2.0', method: 'notifications/x', params: { n } }) as const;

/** What is sent again after the event with this id. */
async function replayed(events: SessionEvents, last: string) {
  const sent: unknown[] = [];
  const send = (id: string, message: object) => {
    sent.push([id, (message as { params?: { n?: number } }).params?.n]);
    return Promise.resolve();
  };
  return { stream: await events.replayEventsAfter(last, { send }), sent };
}

test('what came after the last event of a stream is sent again, in order, and nothing of another stream', async () => {
  const events = new SessionEvents();
  const ids: string[] = [];
  for (const [n, stream] of ['a', 'b', 'a', 'b', 'a'].entries()) {
    ids.push(await events.storeEvent(stream, said(n)));
  }
  const [first = '', , second, , third = ''] = ids;
  assert.deepEqual(await replayed(events, first), {
    stream: 'a',
    sent: [
      [second, 2],
      [third, 4],
    ],
  });
  assert.deepEqual(await replayed(events, third), { stream: 'a', sent: [] });
  assert.equal(await events.getStreamIdForEventId(first), 'a');
});

test('an event that only told where to resume is not sent again', async () => {
  const events = new SessionEvents();
  const first = await events.storeEvent('a', said(0));
  await events.storeEvent('a', {} as ReturnType<typeof said>);
  const last = await events.storeEvent('a', said(2));
  assert.deepEqual((await replayed(events, first)).sent, [[last, 2]]);
});

test('more than the latest hundred events are not kept', async () => {
  const events = new SessionEvents();
  const ids: string[] = [];
  for (let n = 0; n < 101; n += 1) ids.push(await events.storeEvent('a', said(n)));
  const [first = '', second = ''] = ids;
  assert.equal(await events.getStreamIdForEventId(first), undefined);
  assert.equal(await events.getStreamIdForEventId(second), 'a');
  assert.deepEqual((await replayed(events, first)).sent, []);
  assert.equal((await replayed(events, second)).sent.length, 99);
});
