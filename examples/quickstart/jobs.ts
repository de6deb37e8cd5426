import { setTimeout as pause } from 'node:timers/promises';
import { defineJob } from 'mcp-async-jobs';
import { z } from 'zod';

export const bakeBread = defineJob({
  name: 'bake_bread',
  description: 'Bakes loaves of bread, one a second.',
  input: z.object({ loaves: z.int().min(1).max(100) }),
  output: z.object({ loaves: z.int() }),
  run: async ({ loaves }, job) => {
    for (let done = 0; done < loaves; done += 1) {
      job.progress(done, loaves);
      await pause(1_000, undefined, { signal: job.signal });
    }
    return { loaves };
  },
});
