/**
 * What a database file says of itself to an operator. Only reads, on a connection that can do
 * nothing else, so it may be used on the file of a running server.
 */
import { bootId, monotonic, now } from '../../job/clock.ts';
import { parsedOr } from '../../job/json.ts';
import { isDead } from '../process-identity.ts';
import type { FoundVersion, Migrations } from '../migrations.ts';
import type { InspectOptions, QueueFacts } from '../queue-facts.ts';
import { openReader } from './connection.ts';
import { brokenLog } from './log-file.ts';
import { HELD_JOBS, STRANDED } from './limit-statements.ts';
import { versionsOf } from './migrate.ts';
import { JOBS_MIGRATIONS } from './migrations.ts';
import { changedSchema } from './schema.ts';

/** A worker that has said nothing for longer is not counted as alive. */
const SILENT_MS = 30_000;
const INTEGRITY = 'PRAGMA integrity_check(10)';
const SETTINGS = `SELECT sqlite_version() AS sqlite,
  (SELECT journal_mode FROM pragma_journal_mode) AS journal`;
const OPEN = `SELECT count(*) AS jobs FROM jobs WHERE completed_at IS NULL`;
const QUEUED = `SELECT tool, count(*) AS jobs, min(created_at) AS oldest FROM jobs
  WHERE status = 'queued' AND due_at IS NULL GROUP BY tool`;
const OVERDUE = `SELECT id FROM jobs INDEXED BY jobs_running
  WHERE status = 'running' AND (lease_boot <> :boot OR lease_until < :before) LIMIT 100`;
const WORKERS = `SELECT process, tools FROM workers WHERE beat_boot = :boot AND beat_at > :since`;
const SOON = `SELECT count(*) AS jobs FROM jobs WHERE completed_at BETWEEN :from AND :before`;
/** By the primary key: a ULID begins with its millisecond. */
const NEWEST = `SELECT max(created_at) AS at FROM (SELECT created_at FROM jobs ORDER BY id DESC LIMIT 1)`;

export interface Inspection extends Omit<QueueFacts, 'aheadMs'> {
  readonly sqlite: string;
  readonly journal: string;
  /** What integrity_check finds wrong; empty when nothing is. */
  readonly damage: readonly string[];
  /** Where the log of the newest commits breaks off, and how many frames stand behind that. */
  readonly broken: ReturnType<typeof brokenLog>;
  /** Tables, indexes and triggers that are not described as this program made them. */
  readonly changed: readonly string[];
  /** Version of the tables, by namespace. */
  readonly schema: ReadonlyMap<string, FoundVersion>;
  /** When the newest job was submitted; null without one. */
  readonly newestAt: number | null;
}

/**
 * Version of the tables, by namespace; empty for a file without any.
 *
 * @throws Error what SQLite says, when the file is no database
 */
export function schemaVersions(path: string): ReadonlyMap<string, FoundVersion> {
  const db = openReader(path);
  try {
    return versionsOf(db);
  } finally {
    db.close();
  }
}

/** @throws Error what SQLite says, when the file is not a database of this program */
export function inspect(
  path: string,
  { known, ...options }: InspectOptions & { readonly known: readonly Migrations[] },
): Inspection {
  const db = openReader(path);
  const all = (sql: string, params: Record<string, string | number> = {}) =>
    db.prepare(sql).all(params) as Record<string, string | number | null>[];
  try {
    const damage = all(INTEGRITY).map((row) => String(row['integrity_check']));
    const schema = versionsOf(db);
    // Older tables have no index of what is held.
    const isCurrent = (schema.get('jobs')?.version ?? 0) >= JOBS_MIGRATIONS.sqlite.length;
    const boot = bootId();
    const [at, mono] = [now(), monotonic()];
    const end = at - options.retentionMs;
    return {
      sqlite: String(all(SETTINGS)[0]?.['sqlite']),
      journal: String(all(SETTINGS)[0]?.['journal']),
      // A log that is begun anew during a look seems broken, but not twice.
      broken: brokenLog(path) && brokenLog(path),
      damage: damage.filter((line) => line !== 'ok'),
      changed: changedSchema(db, schema, known),
      schema,
      open: Number(all(OPEN)[0]?.['jobs']),
      queued: all(QUEUED).map((row) => ({
        tool: String(row['tool']),
        jobs: Number(row['jobs']),
        ms: Math.max(0, at - Number(row['oldest'])),
      })),
      held: isCurrent ? Number(all(HELD_JOBS)[0]?.['jobs']) : 0,
      stranded: (isCurrent ? all(STRANDED) : []).map(({ tool }) => String(tool)),
      overdue: all(OVERDUE, { boot, before: mono - options.overdueMs }).map(({ id }) => String(id)),
      workers: all(WORKERS, { boot, since: mono - SILENT_MS })
        .filter((row) => !isDead(String(row['process'])))
        .map((row) => parsedOr<string[]>(row['tools'], [])),
      purgedSoon: Number(all(SOON, { from: end, before: end + options.soonMs })[0]?.['jobs']),
      newestAt: (all(NEWEST)[0]?.['at'] as number | null | undefined) ?? null,
    };
  } finally {
    db.close();
  }
}
