/** A job whose author repeats what he is given, in every place that a handler can write to. */
import { z } from 'zod';
import { defineJob, JobError } from '../../src/index.ts';

export const say = defineJob({
  name: 'say',
  description: 'Repeats a text.',
  attempts: 1,
  input: z.object({ text: z.string(), how: z.enum(['refuse', 'throw', 'progress']) }),
  output: z.object({}),
  run: ({ text, how }, job) => {
    job.progress(1, 2, text);
    if (how === 'throw') throw new Error(text);
    if (how === 'refuse') {
      throw new JobError('REFUSED', {
        message: text,
        remediation: text,
        fields: { [text]: [text] },
      });
    }
    return {};
  },
});
