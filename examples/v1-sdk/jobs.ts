import { setTimeout as pause } from 'node:timers/promises';
import { defineJob } from 'mcp-async-jobs';
import { z } from 'zod';

export const countWords = defineJob({
  name: 'count_words',
  description: 'Counts the words of a text, slowly.',
  input: z.object({ text: z.string() }),
  output: z.object({ words: z.int() }),
  run: async ({ text }, job) => {
    await pause(500, undefined, { signal: job.signal });
    return { words: text.split(/\s+/).filter((word) => word !== '').length };
  },
});
