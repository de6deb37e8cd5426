/** A job rests after a fault, and waits for an answer, as long as its definition says. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { definitionsOf } from '../../src/job/definition.ts';
import { SILENT } from '../../src/job/log.ts';
import type { Change } from '../../src/job/transitions.ts';
import { changesAfterDeath } from '../../src/worker/blame.ts';
import { runJob } from '../../src/worker/run-job.ts';
import { until } from '../support/until.ts';
import { aClaimed, ANSWER_WITHIN_MS, aWorker, BACKOFF, printing, untilStopped } from './played.ts';

type Handler = Parameters<typeof printing>[0];

/** Run a handler by itself. */
function runOf(handler: Handler, stop = new AbortController()): Promise<Change | null> {
  return runJob(aClaimed(), {
    definition: printing(handler),
    settings: null,
    log: SILENT,
    stop: stop.signal,
    onProgress: () => {},
    onHandlerEnd: () => {},
  });
}

/** Half of the bound is certain, the other half random. */
function assertRests(change: Change | null | undefined): void {
  assert.deepEqual([change?.to, change?.fault], ['queued', true]);
  const { delayMs = 0 } = change ?? {};
  assert.ok(delayMs >= BACKOFF.baseMs / 2 && delayMs <= BACKOFF.maxMs, `${delayMs} ms`);
}

test('a handler that throws', async () => {
  assertRests(
    await runOf(() => {
      throw new Error('no');
    }),
  );
});

test('a run past its deadline', async () => {
  const stop = new AbortController();
  const running = runOf(untilStopped, stop);
  stop.abort('deadline');
  assertRests(await running);
});

test('a run whose effects cannot be written', async (t) => {
  const applied: Change[] = [];
  aWorker(t, {
    store: {
      apply(_, change) {
        applied.push(change);
        const failed = { outcome: 'failed', statement: 'insert_page', message: 'no' } as const;
        if (change.to === 'completed') return Promise.resolve(failed);
        return Promise.resolve({ outcome: 'applied', status: change.to });
      },
    },
  });
  await until('the fault was written', () => applied.length === 2);
  assertRests(applied[1]);
});

test('the run that is to blame for the end of its process', () => {
  const job = aClaimed();
  for (const [deadline, at] of [
    [5_000, 1_000],
    [5_000, 9_000],
  ] as const) {
    const changes = changesAfterDeath({
      held: [job],
      begun: new Map([[job.lease ?? '', deadline]]),
      at,
      wasOrdered: false,
      definitions: definitionsOf({ print: printing(() => ({})) }),
    });
    assertRests(changes.get(job.id));
  }
});

test('a run that was stopped by a shutdown does not rest, and costs no attempt', async () => {
  const stop = new AbortController();
  const running = runOf(untilStopped, stop);
  stop.abort('shutdown');
  const change = await running;
  assert.deepEqual([change?.to, change?.fault, change?.delayMs], ['queued', undefined, undefined]);
});

test('a question is waited for as long as its definition says', async () => {
  const requestedSchema = { type: 'object', properties: {} };
  const change = await runOf((_, job) => job.ask({ sure: { message: 'Sure?', requestedSchema } }));
  assert.deepEqual([change?.to, change?.waitMs], ['waiting', ANSWER_WITHIN_MS]);
});

test('a result that cannot be kept is a fault, and one that a handler refuses is none', async () => {
  const wrong = await runOf(() => ({ when: new Date(0) }));
  assert.deepEqual([wrong?.error?.code, wrong?.error?.fault], ['RESULT_INVALID', true]);
  const misfit = await runOf(() => 'text');
  assert.deepEqual([misfit?.error?.code, misfit?.error?.fault], ['RESULT_INVALID', true]);
});
