/** Definitions for the tests of tasks: every way a job can end, and questions. */
import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { defineJob, JobError, type Question } from '../../src/index.ts';

export const add = defineJob({
  name: 'add',
  description: 'Adds two numbers.',
  input: z.object({ a: z.number(), b: z.number() }),
  output: z.object({ sum: z.number() }),
  run: ({ a, b }) => ({ sum: a + b }),
  view: ({ sum }, { publicUrl }) => ({ link: `${publicUrl}/sums/${sum}` }),
});

export const nap = defineJob({
  name: 'nap',
  description: 'Sleeps.',
  input: z.object({ ms: z.int().min(0).max(600_000) }),
  output: z.object({ slept: z.boolean() }),
  run: async ({ ms }, job) => {
    job.progress(0, 1, 'asleep');
    await pause(ms, null, { signal: job.signal });
    return { slept: true };
  },
});

export const long = defineJob({
  name: 'long',
  description: 'Gives a long text.',
  input: z.object({ length: z.int().min(0).max(1_000_000) }),
  output: z.object({ text: z.string() }),
  run: ({ length }) => ({ text: 'x'.repeat(length) }),
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

export const crash = defineJob({
  name: 'crash',
  description: 'Breaks.',
  input: z.object({}),
  output: z.object({}),
  attempts: 1,
  run: () => {
    throw new Error('a secret detail');
  },
});

export const tasksOnly = defineJob({
  name: 'tasks_only',
  description: 'Only for those who speak tasks.',
  input: z.object({}),
  output: z.object({ done: z.boolean() }),
  requiresTasks: true,
  run: () => ({ done: true }),
});

const question = (message: string, properties: Record<string, object>): Question => ({
  message,
  requestedSchema: JSON.parse(
    JSON.stringify({ type: 'object', properties, required: Object.keys(properties) }),
  ) as Question['requestedSchema'],
});

export const COLOUR = question('Which colour?', { colour: { type: 'string', maxLength: 20 } });
export const SIZE = question('Which size?', { size: { type: 'integer', minimum: 1 } });
export const SURE = question('Really?', { sure: { type: 'boolean' } });

const PAINT = z.object({ colour: z.string(), size: z.int() });

/** Asks two things at once, then a third. */
export const survey = defineJob({
  name: 'survey',
  description: 'Asks before it paints nothing.',
  input: z.object({}),
  output: z.object({ painted: z.string() }),
  run: async (_, job) => {
    const first = await job.ask({ colour: COLOUR, size: SIZE });
    const { sure } = await job.ask({ sure: SURE });
    if (sure.action !== 'accept') return { painted: `nothing: ${sure.action}` };
    const { colour, size } = PAINT.parse({ ...first.colour.content, ...first.size.content });
    return { painted: `${colour} in size ${size}` };
  },
});

/** Asks before there is a job. */
export const consented = defineJob({
  name: 'consented',
  description: 'Wants to know something before it queues.',
  input: z.object({ colour: z.string().optional() }),
  output: z.object({ carried: z.string() }),
  prepare: async ({ colour }, context) => {
    if (colour !== undefined) return { carry: colour };
    const answers = await context.ask({ colour: COLOUR });
    if (answers === null) {
      throw new JobError('VALIDATION_FAILED', { fields: { colour: ['must be given'] } });
    }
    const { sure } = (await context.ask({ sure: SURE })) ?? {};
    if (sure?.action !== 'accept') throw new JobError('NOT_WANTED');
    return { carry: z.string().parse(answers.colour.content?.['colour']) };
  },
  run: (_, job) => ({ carried: job.carry }),
});
