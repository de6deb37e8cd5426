import { JobError } from '../job/errors.ts';

/**
 * One change of tables, as SQL. An `additive` one is such that a program which does not know it may
 * run beside it, and may be started on it: a new table or index, a new column that has a default.
 */
export type MigrationStep = string | { readonly additive: string };

/** Migrations of one namespace: numbered by their place, applied once each, never edited. */
export interface Migrations {
  /** Whose tables they are: `jobs`, `team`, or a name of the application. */
  readonly namespace: string;
  readonly sqlite: readonly MigrationStep[];
  readonly postgres?: readonly MigrationStep[];
}

/** How far the tables of a namespace are. Those of deliveries have the versions of pg-boss. */
export interface NamespaceStatus {
  readonly namespace: string;
  /** 0 when there is none. */
  readonly found: number;
  readonly wanted: number;
  /** Whether this program may run on them: they are as it wants them, or further by additive steps alone. */
  readonly compatible: boolean;
}

/** What the database says of a namespace: its last step, and the last one that is not additive. */
export interface FoundVersion {
  readonly version: number;
  readonly breaking: number;
}

export const sqlOf = (step: MigrationStep): string =>
  typeof step === 'string' ? step : step.additive;

export const isAdditive = (step: MigrationStep): boolean => typeof step !== 'string';

export function statusFor(
  namespace: string,
  wanted: number,
  { version, breaking }: FoundVersion = { version: 0, breaking: 0 },
): NamespaceStatus {
  const compatible = version >= wanted && breaking <= wanted;
  return { namespace, found: version, wanted, compatible };
}

/** @throws JobError when a newer program has changed what this one uses */
export function assertNotNewer(status: readonly NamespaceStatus[]): void {
  const newer = status.find(({ found, wanted, compatible }) => found > wanted && !compatible);
  if (!newer) return;
  throw new JobError('INTERNAL_ERROR', {
    message: `The tables "${newer.namespace}" are at version ${newer.found}, this program knows ${newer.wanted}. Start a program at least as new as the one that migrated the database.`,
  });
}
