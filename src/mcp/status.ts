/** The only place that knows what each surface shows of a job's status. */
import type { Job } from '../job/job.ts';
import type { Status } from '../job/states.ts';
import type { ShownStatus } from '../queue/context.ts';

const SHOWN = {
  queued: 'queued',
  running: 'running',
  waiting: 'running',
  completed: 'completed',
  failed: 'failed',
  // With `JOB_CANCELLED` as its error.
  cancelled: 'failed',
} as const satisfies Record<Status, ShownStatus>;

/**
 * The status in `get_job_status` and `list_jobs`: a closed set of four that never goes backwards,
 * so a job that has begun and waits for its turn again stays `running`.
 */
export function shownStatus({ status, startedAt }: Pick<Job, 'status' | 'startedAt'>): ShownStatus {
  return status === 'queued' && startedAt !== null ? 'running' : SHOWN[status];
}
