/** The job that `doctor` sends through a server of its own. */
import { z } from 'zod';
import { defineJob } from '../../job/definition.ts';

const schema = z.object({ text: z.string() });

export const doctorEcho = defineJob({
  name: 'doctor_echo',
  description: 'Says the text again.',
  input: schema,
  output: schema,
  run: ({ text }) => ({ text }),
});
