/** What a database says to an operator of its jobs and workers, whatever keeps them. */
export interface QueueFacts {
  readonly open: number;
  /** Tools with jobs that are due, with how long the oldest one waits, in milliseconds. */
  readonly queued: readonly { readonly tool: string; readonly jobs: number; readonly ms: number }[];
  /** Jobs that are held by limits on running jobs. */
  readonly held: number;
  /** Tools with held jobs of a team of which no limited run goes on. */
  readonly stranded: readonly string[];
  /** Ids of running jobs whose lease is over for longer than `overdueMs`; at most 100. */
  readonly overdue: readonly string[];
  /** Tools of each living worker. */
  readonly workers: readonly (readonly string[])[];
  /** Final jobs that are purged within `soonMs`. */
  readonly purgedSoon: number;
  /** How far in the future the newest job was submitted, in milliseconds. */
  readonly aheadMs: number;
}

export interface InspectOptions {
  readonly overdueMs: number;
  readonly retentionMs: number;
  readonly soonMs: number;
}
