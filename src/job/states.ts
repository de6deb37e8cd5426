/**
 * The states of a job and the moves between them. This is the only copy: transitions, the CHECK
 * in the database, the documentation and the tests are read from it.
 */
export const NEXT = {
  queued: ['running', 'failed', 'cancelled'],
  running: ['completed', 'failed', 'queued', 'waiting', 'cancelled'],
  waiting: ['queued', 'failed', 'cancelled'],
  completed: [],
  failed: [],
  cancelled: [],
} as const satisfies Record<string, readonly string[]>;

export type Status = keyof typeof NEXT;

export const STATUSES = Object.keys(NEXT) as readonly Status[];

/** States in which the job still counts as outstanding. */
export const OPEN: readonly Status[] = STATUSES.filter((status) => NEXT[status].length > 0);

/** Whether nothing but its purge can happen to a job any more. */
export function isFinal(status: Status): boolean {
  return NEXT[status].length === 0;
}

/** Whether the table allows the move. */
export function mayMove(from: Status, to: Status): boolean {
  return (NEXT[from] as readonly Status[]).includes(to);
}
