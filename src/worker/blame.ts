/**
 * Who is to blame when a worker process has ended: decided from what it held, purely.
 */
import type { AnyDefinition } from '../job/definition.ts';
import type { Job } from '../job/job.ts';
import { faulted, handBack, type Change } from '../job/transitions.ts';

export interface Ending {
  /** What the process still held, by the store. */
  readonly held: readonly Job[];
  /** Leases of runs that had reached the process, with their deadlines on the monotonic clock. */
  readonly begun: ReadonlyMap<string, number>;
  readonly at: number;
  /** Whether the end was ordered: a stop, or a run that had to be ended from outside. */
  readonly wasOrdered: boolean;
  readonly definitions: ReadonlyMap<string, AnyDefinition>;
}

/**
 * The change for each held job. A run past its deadline is to blame; else a handler that went on
 * after its job had been taken from it (the guardian ends such a process); else the only one that had
 * begun. If several had, nobody knows: each is handed back to run alone until one is to blame.
 */
export function changesAfterDeath(ending: Ending): ReadonlyMap<string, Change> {
  const begun = ending.held.filter(({ lease }) => ending.begun.has(lease ?? ''));
  const leases = new Set(ending.held.map(({ lease }) => lease));
  const hasStray = [...ending.begun.keys()].some((lease) => !leases.has(lease));
  const overdue = begun.filter(
    ({ lease }) => (ending.begun.get(lease ?? '') ?? Infinity) < ending.at,
  );
  const suspects = ending.wasOrdered ? [] : overdue.length > 0 ? overdue : hasStray ? [] : begun;
  const isClear = suspects.length === 1 || overdue.length > 0;
  return new Map(
    ending.held.map((job) => {
      if (!suspects.includes(job)) return [job.id, handBack(job)];
      if (!isClear) return [job.id, handBack(job, { alone: true })];
      const code = overdue.includes(job) ? 'DEADLINE_EXCEEDED' : 'ATTEMPTS_EXHAUSTED';
      return [job.id, faulted(job, code, ending.definitions.get(job.tool)?.backoff)];
    }),
  );
}
