/** Migrations of one namespace: numbered by their place, applied once each, never edited. */
export interface Migrations {
  /** Whose tables they are: `jobs`, `team`, or a name of the application. */
  readonly namespace: string;
  readonly sqlite: readonly string[];
  readonly postgres?: readonly string[];
}

/** How far the tables of a namespace are. Those of deliveries have the versions of pg-boss. */
export interface NamespaceStatus {
  readonly namespace: string;
  /** 0 when there is none. */
  readonly found: number;
  readonly wanted: number;
}
