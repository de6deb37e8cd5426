import { setTimeout as pause } from 'node:timers/promises';
import { defineJob } from 'mcp-async-jobs';
import { z } from 'zod';

export const writeReport = defineJob({
  name: 'write_report',
  description: 'Writes the report of a month.',
  input: z.object({ month: z.string().regex(/^\d{4}-\d\d$/) }),
  output: z.object({ pages: z.int() }),
  run: async (_, job) => {
    await pause(2_000, undefined, { signal: job.signal });
    return { pages: 12 };
  },
});
