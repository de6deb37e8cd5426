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

/** What has become of a run, named by its lease, and until when it may last. */
export type ToGuardian =
  | { readonly type: 'begun' | 'stopped'; readonly run: string; readonly endsAt: number }
  | { readonly type: 'ended'; readonly run: string };

/** This module is also imported for its types and its bound; only as a thread does it watch. */
if (parentPort && workerData && typeof workerData === 'object' && 'supervisor' in workerData) {
  const supervisor = workerData.supervisor as number;
  const limits = new Map<string, number>();
  parentPort.on('message', (said: ToGuardian) => {
    const limit = limits.get(said.run);
    if (said.type === 'ended') limits.delete(said.run);
    else if (said.type === 'begun') limits.set(said.run, said.endsAt);
    // A word to stop that comes after the end sets no limit: nothing would lift it again.
    else if (limit !== undefined) limits.set(said.run, Math.min(said.endsAt, limit));
  });
  setInterval(() => {
    const at = monotonic();
    const isOver = [...limits.values()].some((endsAt) => at > endsAt);
    if (isOver || process.ppid !== supervisor) process.kill(process.pid, 'SIGKILL');
  }, LOOK_MS);
}
