/** The checks of a PostgreSQL database: the server, its tables, its standbys, and who works on it. */
import { ACCESS_CODE_MIGRATIONS } from '../../access-codes/sqlite/migrations.ts';
import type { NamespaceStatus } from '../../store/migrations.ts';
import type { ServerFacts } from '../../store/postgres/inspect.ts';
import { forgetDatabaseAddress, shownDatabase } from '../database-address.ts';
import { localError } from '../exit.ts';
import { statusOfDatabase } from '../migrating.ts';
import { error, ok, warning, type Finding } from './finding.ts';
import { checkQueue, OVERDUE_MS, SOON_MS } from './queue.ts';

const FIX = 'Correct that: see the page on running many servers, docs/scale-out.md.';
const MIB = 1_048_576;
const VERSION_MIN = 130_000;
const SKEW_MS = 2_000;
/** Of the connections that there may be, so many may be in use. */
const USED_MAX = 0.8;

export interface PostgresOptions {
  readonly db: string;
  readonly retentionMs: number;
}

export async function checkPostgres({ db, retentionMs }: PostgresOptions): Promise<Finding[]> {
  forgetDatabaseAddress();
  try {
    // First, so that missing packages are told as such.
    const status = await statusOfDatabase(db, [ACCESS_CODE_MIGRATIONS]);
    const { inspectServer, inspectQueue } = await import('../../store/postgres/inspect.ts');
    const server = await inspectServer(db);
    const tables = status.flatMap(checkTables);
    const findings = [...checkServer(shownDatabase(db), server), ...tables];
    if (tables.some(({ level }) => level === 'error')) return findings;
    const options = { overdueMs: OVERDUE_MS, retentionMs, soonMs: SOON_MS };
    return [...findings, ...checkQueue(await inspectQueue(db, options))];
  } catch (thrown) {
    const known = localError(thrown, db);
    return [error('database', known instanceof Error ? known.message : String(known), FIX)];
  }
}

function checkServer(shown: string, server: ServerFacts): Finding[] {
  return [
    checkAddress(shown, server),
    checkSettings(server),
    checkClock(server),
    checkConnections(server),
    checkSize(server),
    checkStandbys(server),
  ];
}

function checkAddress(shown: string, server: ServerFacts): Finding {
  const { version, version_number: number, standby, read_only: isReadOnly, answeredMs } = server;
  const message = `${shown} is PostgreSQL ${version}, and answers in ${answeredMs} ms.`;
  if (standby)
    return error(
      'database',
      `${message} It is a standby and takes no writes.`,
      'Let the address lead to the primary.',
    );
  if (isReadOnly) return error('database', `${message} It is read-only.`, FIX);
  if (number < VERSION_MIN) return error('database', message, 'Use PostgreSQL 13 or later.');
  return ok('database', message);
}

function checkSettings(server: ServerFacts): Finding {
  const { fsync, full_page_writes: pages, synchronous_commit: commit, encoding } = server;
  const message = `fsync ${fsync}, full_page_writes ${pages}, synchronous_commit ${commit} (on for what this program keeps), ${encoding}.`;
  if (fsync === 'on' && pages === 'on' && encoding === 'UTF8') return ok('settings', message);
  const fix = 'Switch fsync and full_page_writes on; make the database with ENCODING UTF8.';
  return error('settings', message, fix);
}

/** Leases are reckoned by the database alone; only what is shown is reckoned by both. */
function checkClock({ aheadMs, answeredMs }: ServerFacts): Finding {
  const ms = Math.round(Math.abs(aheadMs));
  if (ms <= SKEW_MS + answeredMs)
    return ok('clock', `The clocks of the database and of this machine agree within ${ms} ms.`);
  const way = aheadMs > 0 ? 'ahead of' : 'behind';
  const message = `The clock of the database is ${(ms / 1_000).toFixed(1)} s ${way} that of this machine.`;
  return warning('clock', message, 'Let NTP set both clocks: times that are shown go by them.');
}

function checkConnections(server: ServerFacts): Finding {
  const { connections, connections_max: most, own } = server;
  const message = `${connections} of ${most} connections are in use, ${own} of them by this program.`;
  if (connections <= most * USED_MAX) return ok('connections', message);
  const fix = 'Raise max_connections, or start with fewer --connections.';
  return warning('connections', message, fix);
}

function checkSize({ bytes, long_transactions: long }: ServerFacts): Finding {
  const size = `The database takes ${Math.ceil(bytes / MIB).toLocaleString('en-US')} MiB`;
  if (long === 0) return ok('size', `${size}; how much room is left, PostgreSQL does not tell.`);
  const message = `${size}, and ${long} transactions are open for over 10 minutes: what is deleted stays.`;
  return warning('size', message, 'Find them in pg_stat_activity (xact_start), and end them.');
}

/** A standby that commits do not wait for knows less than was acknowledged. */
function checkStandbys({ standbys, wanted_standbys: wanted }: ServerFacts): Finding {
  const all = [...standbys].map(([state, count]) => `${count} ${state}`).join(', ');
  const message = `Standbys: ${all || 'none'}; synchronous_standby_names is '${wanted}'.`;
  const isSafe = standbys.has('sync') || standbys.has('quorum');
  if (standbys.has('unseen')) {
    return warning(
      'standbys',
      `This role may not see their state. ${message}`,
      'Grant it pg_monitor.',
    );
  }
  if (wanted !== '' && !isSafe) {
    const fix = 'Bring a standby back, or take it out of synchronous_standby_names.';
    return error(
      'standbys',
      `${message} Every submission waits for a standby that is not there.`,
      fix,
    );
  }
  if (standbys.size > 0 && !isSafe) {
    const fix = 'Name them in synchronous_standby_names, or accept the loss.';
    return warning(
      'standbys',
      `${message} A failover loses the last jobs that were acknowledged.`,
      fix,
    );
  }
  return ok('standbys', message);
}

function checkTables({ namespace, found, wanted, compatible }: NamespaceStatus): Finding[] {
  // The tables of an application that was never run here.
  if (found === 0 && namespace === ACCESS_CODE_MIGRATIONS.namespace) return [];
  const message = `The tables "${namespace}" are at version ${found} of ${wanted}.`;
  if (compatible) return [ok('schema', message)];
  return [
    found > wanted
      ? error('schema', message, 'Install a version of this program that is at least as new.')
      : error('schema', message, 'Run: mcp-async-jobs migrate apply'),
  ];
}
