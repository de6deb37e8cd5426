/** The asynchronous tools that the conformance suite asks for, by the names it knows them by. */
import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { defineJob, JobError, type Question } from '../../src/index.ts';

const nothing = z.object({});
const said = z.object({ text: z.string() });

export const slowCompute = defineJob({
  name: 'slow_compute',
  description: 'Sleeps, then gives a result.',
  input: z.object({ seconds: z.number().min(0).max(600), label: z.string().optional() }),
  output: said,
  run: async ({ seconds, label = '' }, job) => {
    await pause(seconds * 1_000, null, { signal: job.signal });
    return { text: `computed ${label}` };
  },
});

export const failingJob = defineJob({
  name: 'failing_job',
  description: 'Ends with an error of its own.',
  input: nothing,
  output: nothing,
  requiresTasks: true,
  run: async () => {
    await pause(500);
    throw new JobError('FIXTURE_FAILED', { message: 'This job fails on purpose.' });
  },
});

export const protocolErrorJob = defineJob({
  name: 'protocol_error_job',
  description: 'Breaks.',
  input: nothing,
  output: nothing,
  attempts: 1,
  run: () => {
    throw new Error('This job breaks on purpose.');
  },
});

const confirm: Question = {
  message: 'Are you sure?',
  requestedSchema: {
    type: 'object',
    properties: { confirm: { type: 'boolean' } },
    required: ['confirm'],
  },
};

const name: Question = {
  message: 'What is your name?',
  requestedSchema: {
    type: 'object',
    properties: { name: { type: 'string' } },
    required: ['name'],
  },
};

export const confirmDelete = defineJob({
  name: 'confirm_delete',
  description: 'Asks before it deletes nothing.',
  input: z.object({ filename: z.string() }),
  output: said,
  run: async ({ filename }, job) => {
    const { sure } = await job.ask({ sure: confirm });
    const isSure = sure.action === 'accept' && sure.content?.['confirm'] === true;
    return { text: isSure ? `deleted ${filename}` : `kept ${filename}` };
  },
});

export const multiInput = defineJob({
  name: 'multi_input',
  description: 'Asks two things at once.',
  input: nothing,
  output: said,
  run: async (_, job) => {
    const answers = await job.ask({ who: name, sure: confirm });
    return { text: `hello, ${JSON.stringify(answers.who.content?.['name'])}` };
  },
});

export const toolWithTask = defineJob({
  name: 'test_tool_with_task',
  description: 'Asks for a name before there is a job, then greets.',
  input: nothing,
  output: said,
  requiresTasks: true,
  prepare: async (_, context) => {
    const answers = await context.ask({ user_name: name });
    const given = answers?.user_name.content?.['name'];
    if (typeof given !== 'string') throw new JobError('VALIDATION_FAILED');
    return { carry: given };
  },
  run: (_, job) => ({ text: `Hello, ${job.carry}!` }),
});
