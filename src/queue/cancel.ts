import type { Job } from '../job/job.ts';
import { isFinal } from '../job/states.ts';
import { cancel as cancelled } from '../job/transitions.ts';
import type { Who } from '../job/who.ts';
import type { QueueContext } from './context.ts';
import { getWritten, ownJobsOf, unknownJob } from './get.ts';

export interface Cancelled {
  readonly job: Job;
  /** False when the job was final before; then nothing was changed. */
  readonly changed: boolean;
}

/**
 * Cancel a job of one's own, at once, in every state that is not final.
 *
 * @throws JobError RESOURCE_NOT_FOUND for unknown and foreign jobs alike; seeing the team's jobs
 *   gives no right to cancel them
 */
export async function cancel(
  context: QueueContext,
  id: string,
  caller: { readonly who: Who; readonly requestId: string },
): Promise<Cancelled> {
  const { who, requestId } = caller;
  const applied = await context.store.applyAs(id, who, cancelled(requestId));
  if (applied.outcome === 'applied') {
    context.log.info({ request_id: requestId, job_id: id }, 'job cancelled');
  }
  const job = await getWritten(context, id, ownJobsOf(who));
  if (!isFinal(job.status)) unknownJob();
  return { job, changed: applied.outcome === 'applied' };
}
