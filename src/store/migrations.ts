/** Migrations of one namespace: numbered by their place, applied once each, never edited. */
export interface Migrations {
  /** Whose tables they are: `jobs`, `team`, or a name of the application. */
  readonly namespace: string;
  readonly sqlite: readonly string[];
  readonly postgres?: readonly string[];
}
