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

/** Keeps its slot until it is told to stop. */
export const hold = defineJob({
  name: 'hold',
  description: 'Keeps its slot.',
  input: z.object({}),
  output: z.object({}),
  run: async (_input, { signal }) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    return {};
  },
});

/** Says when it began, on the clock that all processes of the machine share. */
export const stamp = defineJob({
  name: 'stamp',
  description: 'Says when it began.',
  input: z.object({}),
  output: z.object({ ns: z.string() }),
  run: () => ({ ns: String(process.hrtime.bigint()) }),
});
