/** The door to the store on PostgreSQL, for any number of servers and workers on any machines. */
import type { Logger } from './job/log.ts';
import { SILENT } from './job/log.ts';
import {
  assertNotNewer,
  sqlOf,
  type Migrations,
  type NamespaceStatus,
} from './store/migrations.ts';
import { migrate, statusOf, type Steps } from './store/postgres/migrate.ts';
import { JOBS_STEPS } from './store/postgres/migrations.ts';
import { openPostgres, withConnection } from './store/postgres/open.ts';
import type { Store } from './store/store.ts';
import { TEAM_STEPS } from './team/postgres/migrations.ts';

export type { NamespaceStatus };

export interface MigrateOptions {
  /** The application's own tables, beside ours. Each needs its `postgres` steps. */
  readonly migrations?: readonly Migrations[];
}

export interface OpenStoreOptions extends MigrateOptions {
  /** Whether missing tables are made at once; else they are an error. Default true. */
  readonly migrate?: boolean;
  /** Most connections of this process, besides the one that listens. Default 10; 2..1,000. */
  readonly connectionsMax?: number;
  /** Inputs and results of more bytes than this are kept apart from their row. Default 65,536. */
  readonly inlineBytesMax?: number;
  readonly log?: Logger;
}

/** A step that has not been applied yet. */
export interface PlannedStep {
  readonly namespace: string;
  readonly version: number;
  /** Its SQL; null for the steps of pg-boss, which are its own. */
  readonly sql: string | null;
}

/**
 * Open a PostgreSQL database as a store.
 *
 * @param url `postgres://user:password@host:port/database`
 * @throws JobError when the server cannot keep what it is given (fsync off), when a newer program
 *   has migrated it, or STORE_BUSY when it cannot be reached for ten seconds
 */
export async function openStore(url: string, options: OpenStoreOptions = {}): Promise<Store> {
  const { migrations = [], connectionsMax = 10, inlineBytesMax = 65_536, log = SILENT } = options;
  if (!Number.isInteger(connectionsMax) || connectionsMax < 2 || connectionsMax > 1_000) {
    throw new TypeError(
      `connectionsMax is ${connectionsMax}; it must be a whole number in 2..1,000.`,
    );
  }
  const mayMigrate = options.migrate ?? true;
  const steps = stepsOf(migrations);
  return openPostgres(url, { steps, mayMigrate, connectionsMax, inlineBytesMax, log });
}

/** How far each namespace is, and how far this program needs it. Changes nothing. */
export async function migrationStatus(
  url: string,
  { migrations = [] }: MigrateOptions = {},
): Promise<NamespaceStatus[]> {
  return withConnection(url, (client) => statusOf(client, stepsOf(migrations)));
}

/** What `applyMigrations` would do. Changes nothing. */
export async function planMigrations(
  url: string,
  { migrations = [] }: MigrateOptions = {},
): Promise<PlannedStep[]> {
  const steps = stepsOf(migrations);
  const status = await withConnection(url, (client) => statusOf(client, steps));
  assertNotNewer(status);
  return status.flatMap(({ namespace, found, wanted }): PlannedStep[] => {
    const own = steps.find((one) => one.namespace === namespace);
    if (!own) return found === wanted ? [] : [{ namespace, version: wanted, sql: null }];
    return own.steps
      .map((step, index) => ({ namespace, version: index + 1, sql: sqlOf(step) }))
      .filter(({ version }) => version > found);
  });
}

/**
 * Bring every table up to date: the deploy step. Safe beside running servers, in several processes
 * at once, and after having been stopped anywhere.
 *
 * @throws JobError when a newer program has been here, or somebody else holds a table for a minute
 */
export async function applyMigrations(
  url: string,
  { migrations = [] }: MigrateOptions = {},
): Promise<NamespaceStatus[]> {
  const steps = stepsOf(migrations);
  return withConnection(url, async (client) => {
    await migrate(client, steps);
    return statusOf(client, steps);
  });
}

function stepsOf(migrations: readonly Migrations[]): Steps[] {
  const theirs = migrations.map(({ namespace, postgres }) => {
    if (postgres) return { namespace, steps: postgres };
    throw new TypeError(`The migrations "${namespace}" have no \`postgres\` steps. Add them.`);
  });
  return [
    { namespace: 'jobs', steps: JOBS_STEPS },
    { namespace: 'team', steps: TEAM_STEPS },
    ...theirs,
  ];
}
