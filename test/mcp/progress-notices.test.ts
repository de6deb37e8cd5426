/** What is told of progress to whoever waits and asked for it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ServerContext } from '@modelcontextprotocol/server';
import type { Job, Progress } from '../../src/job/job.ts';
import { progressNotices } from '../../src/mcp/progress-notices.ts';

/** What is sent for these words of a job, one after another. */
function sentFor(token: string | undefined, words: readonly (Partial<Progress> | null)[]) {
  const sent: unknown[] = [];
  const mcpReq = {
    _meta: token === undefined ? undefined : { progressToken: token },
    notify: ({ params }: { params: unknown }) => {
      sent.push(params);
      return Promise.reject(new Error('he has left'));
    },
  };
  const tell = progressNotices({ mcpReq } as unknown as ServerContext);
  for (const word of words) {
    const progress = word && { done: 0, total: null, message: null, ...word };
    tell?.({ progress } as Job);
  }
  return tell === undefined ? null : sent;
}

test('every notice is further than the one before, whatever the runs say', () => {
  const words = [null, 0, 0, 1, 1, 3, 2, 0, 3, 4].map((done) => (done === null ? null : { done }));
  assert.deepEqual(
    sentFor('p', words),
    [0, 1, 3, 4].map((progress) => ({ progressToken: 'p', progress })),
  );
});

test('a total and a message are told where they are known', () => {
  assert.deepEqual(
    sentFor('p', [
      { done: 1, total: 2 },
      { done: 2, message: 'two' },
    ]),
    [
      { progressToken: 'p', progress: 1, total: 2 },
      { progressToken: 'p', progress: 2, message: 'two' },
    ],
  );
});

test('who did not ask for it is told nothing', () => {
  assert.equal(sentFor(undefined, [{ done: 1 }]), null);
});
