/** The asynchronous tools that are measured. */
import { z } from 'zod';
import { defineJob } from '../src/index.ts';

export const trivial = defineJob({
  name: 'trivial',
  description: 'Does nothing.',
  input: z.object({ n: z.number() }),
  output: z.object({ n: z.number() }),
  run: ({ n }) => ({ n }),
});

/** Says when it began, on the clock that all processes of the machine share. */
export const stamp = defineJob({
  name: 'stamp',
  description: 'Says when it began.',
  input: z.object({}),
  output: z.object({ ns: z.string() }),
  run: () => ({ ns: String(process.hrtime.bigint()) }),
});
