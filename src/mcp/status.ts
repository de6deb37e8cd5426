/** The only place that knows what each surface shows of a job's status. */
import type { Job } from '../job/job.ts';
import type { ShownStatus } from '../queue/context.ts';

/**
 * The status in `get_job_status` and `list_jobs`: a closed set of four that never goes backwards.
 * A job that waits its turn again, or waits for an answer, has begun: it stays `running`. A
 * cancelled job is `failed`, with `JOB_CANCELLED` as its error.
 */
export function shownStatus(job: Pick<Job, 'status' | 'startedAt'>): ShownStatus {
  switch (job.status) {
    case 'queued':
      return job.startedAt === null ? 'queued' : 'running';
    case 'running':
    case 'waiting':
      return 'running';
    case 'completed':
      return 'completed';
    case 'failed':
    case 'cancelled':
      return 'failed';
  }
}
