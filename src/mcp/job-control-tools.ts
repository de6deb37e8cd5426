/** The tools that act on a job of one's own: cancel it, or answer what it asks. */
import type { ServerContext } from '@modelcontextprotocol/server';
import { z } from 'zod';
import { answer } from '../queue/answer.ts';
import { cancel } from '../queue/cancel.ts';
import { advertise } from './advertise.ts';
import { object, text } from './answer-schemas.ts';
import type { JobTools } from './job-tools.ts';
import { jobView } from './job-view.ts';
import type { ToolConfig } from './tool.ts';

const jobId = z.string().min(1, 'must not be empty');
/** The view of `get_job_status`, of which only this is promised here. */
const outputSchema = advertise(object({ data: object({ job_id: text }) }));

const CANCEL: ToolConfig = {
  title: 'Cancel job',
  description:
    'Cancels your job, which then is failed with JOB_CANCELLED; a final job stays as it is. Answers at once; returns no new job_id.',
  inputSchema: z.strictObject({ job_id: jobId }),
  outputSchema,
  annotations: { readOnlyHint: false, idempotentHint: true, destructiveHint: true },
};

const ANSWER: ToolConfig = {
  title: 'Answer job',
  description:
    'Answers input_requests of get_job_status; other keys are ignored. Answers at once; returns no new job_id.',
  inputSchema: z.strictObject({
    job_id: jobId,
    answers: z
      .record(
        z.string(),
        z.looseObject({ action: z.enum(['accept', 'decline', 'cancel']).default('accept') }),
      )
      .describe('By key; with content as its requestedSchema says.'),
  }),
  outputSchema,
  annotations: { readOnlyHint: false, idempotentHint: true, destructiveHint: false },
};

/** Put `cancel_job` and `answer_job` on a server. */
export function registerControlTools({ queue, viewing, caller, register }: JobTools): void {
  register(
    'cancel_job',
    CANCEL,
    async ({ job_id }: { readonly job_id: string }, context: ServerContext) => {
      const { job, changed } = await cancel(queue, job_id, await caller(context));
      return { data: { ...jobView(job, viewing), cancelled_now: changed } };
    },
  );
  register(
    'answer_job',
    ANSWER,
    async (
      { job_id, answers }: { readonly job_id: string; readonly answers: Record<string, unknown> },
      context: ServerContext,
    ) => {
      const known = await caller(context);
      return { data: jobView(await answer(queue, job_id, { ...known, given: answers }), viewing) };
    },
  );
}
