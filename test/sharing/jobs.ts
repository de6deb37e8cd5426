import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { defineJob } from '../../src/index.ts';

const common = {
  description: 'Takes its time.',
  input: z.object({ ms: z.number() }),
  output: z.object({}),
  async run({ ms }: { ms: number }) {
    await pause(ms);
    return {};
  },
};

export const free = defineJob({ ...common, name: 'free' });
export const five = defineJob({ ...common, name: 'five', maxRunning: 5 });
export const two = defineJob({ ...common, name: 'two', maxRunningPerTeam: 2 });
