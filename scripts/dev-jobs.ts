/**
 * Tools to try a server with: quick, slow, flaky, failing, never ending, and one that no worker
 * knows. Beside them the real one.
 */
import { setTimeout as rest } from 'node:timers/promises';
import { z } from 'zod';
import { defineJob, JobError } from '../src/index.ts';

export { bulkGenerateAccessCodes } from '../src/access-codes/jobs.ts';

const seconds = z.object({ seconds: z.number().min(0).max(600).default(60) });
const nothing = z.object({});
const said = z.object({ said: z.string() });

export const quick = defineJob({
  name: 'quick',
  description: 'Answers at once.',
  input: z.object({ text: z.string().max(1_000).default('hello') }),
  output: said,
  run: ({ text }) => ({ said: text }),
});

export const slow = defineJob({
  name: 'slow',
  description: 'Takes its time, and says how far it is.',
  input: seconds,
  output: said,
  run: async ({ seconds: total }, job) => {
    for (let done = 0; done < total; done += 1) {
      job.progress(done, total, `${done} of ${total} s`);
      await rest(1_000, undefined, { signal: job.signal });
    }
    return { said: `That took ${total} s.` };
  },
});

export const flaky = defineJob({
  name: 'flaky',
  description: 'Breaks at its first attempt and works at its second.',
  input: nothing,
  output: said,
  run: (_, job) => {
    if (job.attempt === 1) throw new Error('The first attempt always breaks.');
    return { said: `Attempt ${job.attempt} worked.` };
  },
});

export const failing = defineJob({
  name: 'failing',
  description: 'Fails, and says so.',
  input: nothing,
  output: said,
  run: () => {
    throw new JobError('OUT_OF_PAPER', { message: 'There is no paper left.' });
  },
});

export const neverEnding = defineJob({
  name: 'never_ending',
  description: 'Runs until its deadline, a day from now.',
  input: nothing,
  output: said,
  timeoutMs: 86_400_000,
  run: async (_, job) => {
    await rest(86_400_000, undefined, { signal: job.signal });
    return { said: 'It did end.' };
  },
});

// Workers are the processes that have a supervisor to talk to; they do not know this one.
export const nobodysJob = process.connected
  ? null
  : defineJob({
      name: 'nobodys_job',
      description: 'Stays queued: no worker knows it.',
      input: nothing,
      output: said,
      run: () => ({ said: 'never' }),
    });
