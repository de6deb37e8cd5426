/**
 * Watches over a worker process from a thread of its own, so that a handler which blocks the loop
 * cannot keep it from ending: when the supervisor is gone, when a run is past its deadline and the
 * grace after it, and when a run that was told to stop does not.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { monotonic } from '../job/clock.ts';

/** How long a run may go on after its deadline, or after it was told to stop. */
export const GRACE_MS = 5_000;
const LOOK_MS = 200;

/** Until when a run may last; null when it has ended. */
export interface ToGuardian {
  /** Its lease. */
  readonly run: string;
  readonly endsAt: number | null;
}

/** This module is also imported for its types and its bound; only as a thread does it watch. */
if (parentPort && workerData && typeof workerData === 'object' && 'supervisor' in workerData) {
  const supervisor = workerData.supervisor as number;
  const limits = new Map<string, number>();
  parentPort.on('message', ({ run, endsAt }: ToGuardian) => {
    if (endsAt === null) limits.delete(run);
    else limits.set(run, Math.min(endsAt, limits.get(run) ?? Infinity));
  });
  setInterval(() => {
    const at = monotonic();
    const isOver = [...limits.values()].some((endsAt) => at > endsAt);
    if (isOver || process.ppid !== supervisor) process.kill(process.pid, 'SIGKILL');
  }, LOOK_MS);
}
