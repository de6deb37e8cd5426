import { JobError } from '../job/errors.ts';
import type { Job } from '../job/job.ts';
import { VIEW_ANY, type Who } from '../job/who.ts';
import type { QueueContext } from './context.ts';

/**
 * Read one job. Writes nothing.
 *
 * @throws JobError RESOURCE_NOT_FOUND, the same for an unknown id and for somebody else's job
 */
export async function get(context: QueueContext, id: string, who: Who): Promise<Job> {
  return (await context.store.get(id, who)) ?? unknownJob();
}

/**
 * Read one job behind a write to it, which a read that fails does not undo.
 *
 * @throws as `get`; STORE_UNKNOWN in place of STORE_BUSY, which would say that nothing was begun
 */
export async function getWritten(context: QueueContext, id: string, who: Who): Promise<Job> {
  try {
    return await get(context, id, who);
  } catch (error) {
    const isBusy = error instanceof JobError && error.code === 'STORE_BUSY';
    throw isBusy ? new JobError('STORE_UNKNOWN', { cause: error }) : error;
  }
}

/**
 * Read one job with its whole result, wherever that is kept.
 *
 * @throws as `get`
 */
export async function getWhole(context: QueueContext, id: string, who: Who): Promise<Job> {
  const job = await get(context, id, who);
  if (job.status !== 'completed' || job.result !== null) return job;
  return { ...job, result: (await context.store.payload(id, who, 'result')) ?? unknownJob() };
}

/** The one answer to an id that the caller may not see, whatever the reason. */
export function unknownJob(): never {
  throw noSuchJob();
}

export function noSuchJob(): JobError {
  return new JobError('RESOURCE_NOT_FOUND', {
    message: 'No such job is visible to this token.',
    remediation:
      'Check the job_id, or call list_jobs to see your jobs. A job is visible to the team and owner that submitted it.',
  });
}

/** The caller, where seeing the jobs of the team gives no right. */
export function ownJobsOf(who: Who): Who {
  return { ...who, abilities: who.abilities.filter((ability) => ability !== VIEW_ANY) };
}
