/** Definitions that the tests of the server run: quick, slow, failing, and one with everything. */
import { z } from 'zod';
import { defineJob, JobError } from '../../src/index.ts';

export const add = defineJob({
  name: 'add',
  title: 'Add',
  description: 'Adds two numbers.',
  input: z.object({ a: z.number(), b: z.number() }),
  output: z.object({ sum: z.number() }),
  run: ({ a, b }) => ({ sum: a + b }),
});

export const sleep = defineJob({
  name: 'sleep',
  description: 'Sleeps.',
  input: z.object({ ms: z.int().min(0).max(60_000) }),
  output: z.object({ slept: z.boolean() }),
  run: async ({ ms }, job) => {
    job.progress(0, 1, 'asleep');
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      job.signal.addEventListener('abort', () => {
        clearTimeout(timer);
        resolve();
      });
    });
    return { slept: true };
  },
});

export const refuse = defineJob({
  name: 'refuse',
  description: 'Ends badly, as its author wants.',
  input: z.object({}),
  output: z.object({}),
  run: () => {
    throw new JobError('OUT_OF_PAPER', { message: 'There is no paper.' });
  },
});

export const prepared = defineJob({
  name: 'prepared',
  description: 'Looks before it queues.',
  input: z.object({ what: z.enum(['fine', 'refused', 'not-json', 'broken']) }),
  output: z.object({ carried: z.string() }),
  ability: 'things:make',
  prepare: ({ what }) => {
    if (what === 'refused') throw new JobError('CONFLICT', { message: 'There is one already.' });
    if (what === 'broken') throw new Error('a secret detail');
    if (what === 'not-json') return { carry: new Date(0) as unknown as string };
    return { carry: 'hello', answer: { preview: { cost: '0.00' }, job_id: 'mine' } };
  },
  run: (_, job) => ({ carried: job.carry }),
  view: ({ carried }, { publicUrl }) => ({ link: `${publicUrl}/things/${carried}` }),
});
