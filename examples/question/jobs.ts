import { setTimeout as pause } from 'node:timers/promises';
import { defineJob, JobError } from 'mcp-async-jobs';
import { z } from 'zod';

const question = {
  message: 'The oven takes only half of them at a time. Bake in two turns?',
  requestedSchema: {
    type: 'object',
    properties: { turns: { type: 'integer', minimum: 1, maximum: 2 } },
    required: ['turns'],
  },
} as const;

export const bakeCake = defineJob({
  name: 'bake_cake',
  description: 'Bakes cakes, in as many turns as you say when it asks.',
  input: z.object({ cakes: z.int().min(1).max(100) }),
  output: z.object({ cakes: z.int(), turns: z.int() }),
  run: async ({ cakes }, job) => {
    // The worker is free until the answer is there; then `run` begins again, and this returns at once.
    const { oven } = await job.ask({ oven: question });
    if (oven.action !== 'accept') throw new JobError('DECLINED', { message: 'No cake then.' });
    for (let done = 0; done < cakes; done += 1) {
      job.progress(done, cakes, `cake ${done + 1}`);
      await pause(700, undefined, { signal: job.signal });
    }
    return { cakes, turns: Number(oven.content?.['turns']) };
  },
});
