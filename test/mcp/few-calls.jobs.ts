/** Definitions for the tests of waits, keys and long results. */
import { setTimeout as rest } from 'node:timers/promises';
import { z } from 'zod';
import { defineJob, JobError } from '../../src/index.ts';

export const big = defineJob({
  name: 'big',
  description: 'Gives a long result.',
  input: z.object({ bytes: z.int().min(0) }),
  output: z.object({ text: z.string() }),
  run: ({ bytes }) => ({ text: 'x'.repeat(bytes) }),
});

export const steps = defineJob({
  name: 'steps',
  description: 'Counts, and says how far it is.',
  input: z.object({ steps: z.int(), ms: z.int() }),
  output: z.object({}),
  run: async (input, job) => {
    for (let done = 1; done <= input.steps; done += 1) {
      job.progress(done, input.steps, `step ${done}`);
      await rest(input.ms, undefined, { signal: job.signal });
    }
    return {};
  },
});

export const asks = defineJob({
  name: 'asks',
  description: 'Asks.',
  input: z.object({}),
  output: z.object({}),
  run: async (_, job) => {
    const requestedSchema = { type: 'object', properties: { ok: { type: 'boolean' } } };
    await job.ask({ sure: { message: 'Sure?', requestedSchema } });
    return {};
  },
});

export const complains = defineJob({
  name: 'complains',
  description: 'Fails with a very long message.',
  input: z.object({}),
  output: z.object({}),
  run: () => {
    throw new JobError('LONG', {
      message: 'x'.repeat(1_000_000),
      context: { log: 'y'.repeat(1e6) },
    });
  },
});

/** Refuses every call but the first of each thing: what was accepted once must not be asked again. */
const seen = new Set<string>();
export const once = defineJob({
  name: 'once',
  description: 'Is prepared once for each thing.',
  input: z.object({ thing: z.string(), size: z.int().default(1), of: z.json().optional() }),
  output: z.object({}),
  prepare: ({ thing }) => {
    if (seen.has(thing)) throw new JobError('CONFLICT', { message: `${thing} again.` });
    seen.add(thing);
    return { answer: { thing_id: `thing-${seen.size}` } };
  },
  run: () => ({}),
});

export const either = defineJob({
  name: 'either',
  description: 'Takes one of two forms.',
  input: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('a'), a: z.string() }),
    z.strictObject({ kind: z.literal('b'), b: z.string() }),
  ]),
  output: z.object({}),
  run: () => ({}),
});
