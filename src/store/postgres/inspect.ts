/** What a PostgreSQL database says of itself to an operator. Only reads. */
import type { Client } from 'pg';
import { monotonic, now } from '../../job/clock.ts';
import { parsedOr } from '../../job/json.ts';
import { isDead } from '../process-identity.ts';
import type { InspectOptions, QueueFacts } from '../queue-facts.ts';
import { HELD_JOBS, STRANDED } from './limit-statements.ts';
import { withConnection } from './open.ts';

/** A worker that has said nothing for longer is not counted as alive. */
const SILENT_MS = 30_000;
/** A transaction that is open for longer keeps dead rows from being removed. */
const LONG_TRANSACTION_MS = 600_000;

const CLOCK = `floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint`;

const SERVER = `SELECT current_setting('server_version') AS version,
  current_setting('server_version_num')::int AS version_number,
  current_setting('server_encoding') AS encoding, current_setting('fsync') AS fsync,
  current_setting('full_page_writes') AS full_page_writes,
  current_setting('synchronous_commit') AS synchronous_commit,
  current_setting('synchronous_standby_names') AS wanted_standbys,
  pg_is_in_recovery() AS standby, current_setting('transaction_read_only') = 'on' AS read_only,
  current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
    AS connections_max,
  (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
  (SELECT count(*)::int FROM pg_stat_activity WHERE application_name = 'mcp-async-jobs') AS own,
  (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend'
    AND datname = current_database()
    AND xact_start < now() - make_interval(secs => ${LONG_TRANSACTION_MS / 1_000})) AS long_transactions,
  pg_database_size(current_database())::float8 AS bytes,
  ${CLOCK}::float8 AS clock`;
/** The state is null for a role that may not see it. */
const STANDBYS = `SELECT coalesce(sync_state, 'unseen') AS state, count(*)::int AS standbys
  FROM pg_stat_replication GROUP BY 1`;

const OPEN = `SELECT count(*)::int AS jobs FROM jobs WHERE completed_at IS NULL`;
/** By jobs_due. */
const QUEUED = `SELECT tool, count(*)::int AS jobs, (${CLOCK} - min(due_since))::float8 AS ms
  FROM jobs WHERE status = 'queued' AND due_at IS NULL GROUP BY tool`;
/** By jobs_running. */
const OVERDUE = `SELECT id FROM jobs
  WHERE status = 'running' AND lease_until < ${CLOCK} - $1::bigint LIMIT 100`;
const WORKERS = `SELECT process, tools FROM workers WHERE beat_at > ${CLOCK} - ${SILENT_MS}`;
/** By jobs_final. */
const SOON = `SELECT count(*)::int AS jobs FROM jobs
  WHERE completed_at BETWEEN ${CLOCK} - $1::bigint AND ${CLOCK} - $1::bigint + $2::bigint`;
/** By the primary key: a ULID begins with its millisecond. */
const NEWEST = `SELECT (max(created_at) - ${CLOCK})::float8 AS ms
  FROM (SELECT created_at FROM jobs ORDER BY id DESC LIMIT 1) AS newest`;

export interface ServerFacts {
  readonly version: string;
  readonly version_number: number;
  readonly encoding: string;
  readonly fsync: string;
  readonly full_page_writes: string;
  readonly synchronous_commit: string;
  /** Which standbys a commit waits for; empty for none. */
  readonly wanted_standbys: string;
  readonly standby: boolean;
  readonly read_only: boolean;
  /** Connections that are there for others than operators. */
  readonly connections_max: number;
  readonly connections: number;
  /** Connections of this program, on all machines. */
  readonly own: number;
  readonly long_transactions: number;
  readonly bytes: number;
  /** How far its clock is ahead of ours, in milliseconds; exact to half of `answeredMs`. */
  readonly aheadMs: number;
  readonly answeredMs: number;
  /** How many standbys follow, by their state: sync, quorum, potential, async or unseen. */
  readonly standbys: ReadonlyMap<string, number>;
}

/** Settings, clock, connections and standbys of the server. */
export function inspectServer(url: string): Promise<ServerFacts> {
  return withConnection(url, async (client) => {
    const startedAt = monotonic();
    const { rows } = await client.query<Omit<ServerFacts, 'standbys'> & { clock: number }>(SERVER);
    const answeredMs = monotonic() - startedAt;
    const [row] = rows;
    if (!row) throw new Error('the server tells nothing of itself');
    const standbys = await client.query<{ state: string; standbys: number }>(STANDBYS);
    return {
      ...row,
      aheadMs: row.clock - (now() - answeredMs / 2),
      answeredMs,
      standbys: new Map(standbys.rows.map((one) => [one.state, one.standbys])),
    };
  });
}

/** The jobs and workers of a database that has the tables. */
export function inspectQueue(url: string, options: InspectOptions): Promise<QueueFacts> {
  const { overdueMs, retentionMs, soonMs } = options;
  return withConnection(url, async (client) => ({
    open: await numberOf(client, OPEN),
    queued: (await client.query<QueueFacts['queued'][number]>(QUEUED)).rows,
    held: await numberOf(client, HELD_JOBS),
    stranded: (await client.query<{ tool: string }>(STRANDED)).rows.map(({ tool }) => tool),
    overdue: (await client.query<{ id: string }>(OVERDUE, [overdueMs])).rows.map(({ id }) => id),
    workers: (await client.query<{ process: string; tools: string }>(WORKERS)).rows
      .filter(({ process }) => !isDead(process))
      .map(({ tools }) => parsedOr<string[]>(tools, [])),
    purgedSoon: await numberOf(client, SOON, [retentionMs, soonMs]),
    aheadMs: (await client.query<{ ms: number | null }>(NEWEST)).rows[0]?.ms ?? 0,
  }));
}

async function numberOf(client: Client, text: string, values: number[] = []): Promise<number> {
  return (await client.query<{ jobs: number }>(text, values)).rows[0]?.jobs ?? 0;
}
