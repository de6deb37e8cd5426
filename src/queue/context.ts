import type { AnyDefinition } from '../job/definition.ts';
import type { Logger } from '../job/log.ts';
import type { ShownStatus, Store } from '../store/store.ts';

export type { ShownStatus };

/** What every question of a caller is answered with. One per server, not per request. */
export interface QueueContext {
  readonly store: Store;
  readonly definitions: ReadonlyMap<string, AnyDefinition>;
  readonly settings: unknown;
  /** Open jobs per team; 0 is no limit. */
  readonly maxOutstanding: number;
  readonly log: Logger;
}
