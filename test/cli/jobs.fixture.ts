/** Definitions that the tests of the command line serve with `--jobs`. */
import { setTimeout as rest } from 'node:timers/promises';
import { z } from 'zod';
import { defineJob, JobError } from '../../src/index.ts';

const said = z.object({ said: z.string() });

export const echo = defineJob({
  name: 'echo',
  description: 'Says the text again.',
  input: z.object({
    text: z.string(),
    times: z.int().default(1),
    loud: z.boolean().default(false),
  }),
  output: said,
  run: ({ text, times, loud }) => {
    const all = Array.from({ length: times }, () => text).join(' ');
    return { said: loud ? all.toUpperCase() : all };
  },
});

export const refuse = defineJob({
  name: 'refuse',
  description: 'Fails, and says so.',
  input: z.object({}),
  output: said,
  run: () => {
    throw new JobError('OUT_OF_PAPER', { message: 'There is no paper left.' });
  },
});

export const nap = defineJob({
  name: 'nap',
  description: 'Takes the time that it is told to.',
  input: z.object({ ms: z.int().min(0).max(60_000) }),
  output: said,
  run: async ({ ms }, job) => {
    await rest(ms, undefined, { signal: job.signal });
    return { said: `${ms} ms` };
  },
});

export const linger = defineJob({
  name: 'linger',
  description: 'Runs until it is told to stop.',
  input: z.object({}),
  output: said,
  run: async (_, job) => {
    await rest(600_000, undefined, { signal: job.signal });
    return { said: 'never' };
  },
});

export const spin = defineJob({
  name: 'spin',
  description: 'Blocks its process for ever.',
  input: z.object({}),
  output: said,
  run: () => {
    for (;;);
  },
});

export const environment = defineJob({
  name: 'environment',
  description: 'Names the variables of the product that the worker was given.',
  input: z.object({}),
  output: said,
  run: () => ({
    said: Object.keys(process.env)
      .filter((name) => name.startsWith('MCP_ASYNC_JOBS_'))
      .join(','),
  }),
});
