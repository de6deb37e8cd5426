/** What a definition does before there is a job is bounded, in time and in size. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { z } from 'zod';
import { defineJob, definitionsOf, type Prepared } from '../../src/job/definition.ts';
import type { Json } from '../../src/job/json.ts';
import { SILENT } from '../../src/job/log.ts';
import type { QueueContext } from '../../src/queue/context.ts';
import { list } from '../../src/queue/list.ts';
import { submit } from '../../src/queue/submit.ts';
import { Waits } from '../../src/queue/wait.ts';
import { who } from '../support/a-job.ts';
import { tempStore } from '../support/temp.ts';

type Prepare = () => Promise<Prepared<Json>> | Prepared<Json>;

/** Submit a job that is prepared like this. @returns how many jobs there are then */
async function submitting(t: TestContext, prepare: Prepare) {
  const definition = defineJob({
    name: 'print',
    description: 'Prints.',
    input: z.object({}),
    output: z.object({}),
    prepare,
    run: () => ({}),
  });
  const store = await tempStore(t);
  const keeping = { maxOutstanding: 0, idempotencyTtlMs: 1_000, waits: new Waits(store) };
  const definitions = definitionsOf({ definition });
  const queue: QueueContext = { store, definitions, settings: null, ...keeping, log: SILENT };
  const submitted = submit(queue, definition, { who: who(), args: {}, requestId: 'req_1' });
  const jobs = async () => (await list(queue, {}, who())).jobs.length;
  return { submitted, jobs };
}

test('prepare has ten seconds', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const began = process.hrtime.bigint();
  let later = 0;
  t.mock.method(process.hrtime, 'bigint', () => began + BigInt(later) * 1_000_000n);
  const called = Promise.withResolvers<void>();
  const { submitted, jobs } = await submitting(t, () => {
    called.resolve();
    return new Promise(() => {});
  });
  await called.promise;
  let isOver = false;
  const refused = assert.rejects(submitted, { code: 'TIMEOUT', message: /Preparing "print"/ });
  void refused.finally(() => {
    isOver = true;
  });
  const wait = async (ms: number): Promise<void> => {
    later += ms;
    t.mock.timers.tick(250);
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  };
  await wait(9_500);
  assert.equal(isOver, false);
  await wait(1_000);
  await refused;
  assert.equal(await jobs(), 0);
});

test('what prepare adds to the answer has 64 KiB', async (t) => {
  const textOf = (bytes: number) => 'x'.repeat(bytes - JSON.stringify({ text: '' }).length);
  const fits = await submitting(t, () => ({ answer: { text: textOf(65_536) } }));
  await fits.submitted;
  assert.equal(await fits.jobs(), 1);
  const large = await submitting(t, () => ({ answer: { text: textOf(65_537) } }));
  await assert.rejects(large.submitted, { code: 'INTERNAL_ERROR' });
  assert.equal(await large.jobs(), 0);
});
