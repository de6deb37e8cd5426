import type { AnyDefinition } from '../job/definition.ts';
import type { Logger } from '../job/log.ts';
import type { ShownStatus, Store } from '../store/store.ts';
import type { Waits } from './wait.ts';

export type { ShownStatus };

/** What every question of a caller is answered with. One per server, not per request. */
export interface QueueContext {
  readonly store: Store;
  readonly definitions: ReadonlyMap<string, AnyDefinition>;
  readonly settings: unknown;
  /** Open jobs per team; 0 is no limit. */
  readonly maxOutstanding: number;
  /** How long an idempotency key is remembered, in milliseconds. */
  readonly idempotencyTtlMs: number;
  /** Those who wait for a job of this store. */
  readonly waits: Waits;
  readonly log: Logger;
}
