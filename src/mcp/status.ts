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

/** The statuses of a task, the same in both generations of MCP Tasks. */
export type TaskStatus = 'working' | 'input_required' | 'completed' | 'failed' | 'cancelled';

const AS_TASK = {
  queued: 'working',
  running: 'working',
  waiting: 'input_required',
  completed: 'completed',
  failed: 'failed',
  cancelled: 'cancelled',
} as const satisfies Record<Status, TaskStatus>;

/**
 * The status of a job as a task. What the handler itself refused is a completed task whose result
 * tells of an error; `failed` is for faults.
 */
export function taskStatus({ status, error }: Pick<Job, 'status' | 'error'>): TaskStatus {
  return status === 'failed' && error?.fault === false ? 'completed' : AS_TASK[status];
}
