import { JobError } from '../job/errors.ts';
import type { Job } from '../job/job.ts';
import type { Who } from '../job/who.ts';
import type { QueueContext } from './context.ts';

/**
 * Read one job. Writes nothing.
 *
 * @throws JobError RESOURCE_NOT_FOUND, the same for an unknown id and for somebody else's job
 */
export async function get(context: QueueContext, id: string, who: Who): Promise<Job> {
  return (await context.store.get(id, who)) ?? unknownJob();
}

/** The one answer to an id that the caller may not see, whatever the reason. */
export function unknownJob(): never {
  throw new JobError('RESOURCE_NOT_FOUND', {
    message: 'No such job is visible to this token.',
    remediation:
      'Check the job_id, or call list_jobs to see your jobs. A job is visible to the team and owner that submitted it.',
  });
}
