/** How far a job is, and when it will be done, as far as that can be known. */
import type { Job } from '../job/job.ts';

interface ProgressView {
  readonly done: number;
  readonly total: number | null;
  readonly message: string | null;
  /** Whole, 0..100; null while the total is not known. 100 only when all is done. */
  readonly percent: number | null;
}

export interface ProgressFacts {
  readonly progress?: ProgressView;
  /** Whole seconds, at least 1. */
  readonly eta_seconds?: number;
}

/** The first second of a run says too little of the rest. */
const ELAPSED_MS_MIN = 1_000;

/**
 * What a view says of progress.
 *
 * The rest is estimated from the present run alone: as long as `done` took, from the beginning of
 * the run to its latest word, times what is left over what is done, less the time since that word.
 *
 * @param at wall time, in milliseconds
 */
export function progressFacts(job: Job, at: number): ProgressFacts {
  if (job.progress === null) return {};
  const { done, total, message } = job.progress;
  const share = total === null ? null : Math.min(1, done / total);
  const percent = share === null ? null : Math.floor(share * 100);
  const eta = share === null ? null : etaSeconds(job, share, at);
  return {
    progress: { done, total, message, percent },
    ...(eta !== null && { eta_seconds: eta }),
  };
}

function etaSeconds(job: Job, share: number, at: number): number | null {
  const { status, progress, runs, updatedAt } = job;
  const { run, since } = progress ?? {};
  if (status !== 'running' || run !== runs || since === undefined) return null;
  if (share <= 0 || share >= 1) return null;
  const elapsedMs = updatedAt - since;
  if (elapsedMs < ELAPSED_MS_MIN) return null;
  const leftMs = (elapsedMs * (1 - share)) / share - Math.max(0, at - updatedAt);
  return Math.max(1, Math.ceil(leftMs / 1_000));
}
