/** Opening: a server that can be trusted, tables that are up to date, and what a pooler prevents. */
import { once } from 'node:events';
import type { Client } from 'pg';
import { JobError } from '../../job/errors.ts';
import { newLease } from '../../job/ids.ts';
import type { Logger } from '../../job/log.ts';
import { assertNotNewer } from '../migrations.ts';
import type { Store } from '../store.ts';
import { Database, patiently } from './database.ts';
import { sqlState } from './errors.ts';
import { connectToMigrate, isCurrent, migrate, statusOf, type Steps } from './migrate.ts';
import { PostgresStore } from './postgres-store.ts';

export interface OpenOptions {
  readonly steps: readonly Steps[];
  /** Whether missing steps are applied; else they are an error. */
  readonly mayMigrate: boolean;
  readonly connectionsMax: number;
  readonly inlineBytesMax: number;
  readonly log: Logger;
}

const VERSION_MIN = 130_000;
const NOTICE_MS = 1_000;
/** What poolers and proxies answer to a setting that they do not pass on. */
const REFUSED_SETTING = ['08P01', '0A000'];

const SETTINGS = `SELECT current_setting('server_version_num')::int AS version,
  current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes,
  current_setting('synchronous_commit') AS synchronous_commit,
  current_setting('server_encoding') AS encoding, pg_is_in_recovery() AS standby`;

interface Settings {
  readonly version: number;
  readonly fsync: string;
  readonly full_page_writes: string;
  readonly synchronous_commit: string;
  readonly encoding: string;
  readonly standby: boolean;
}

/** @throws JobError when the server cannot keep what it is given, or was migrated by a newer program */
export async function openPostgres(url: string, options: OpenOptions): Promise<Store> {
  const { steps, mayMigrate, connectionsMax, inlineBytesMax, log } = options;
  const { client, refuses } = await connect(url);
  let database: Database | null = null;
  try {
    await assertSafe(client, log);
    const status = await statusOf(client, steps);
    assertNotNewer(status);
    if (!isCurrent(status)) {
      if (!mayMigrate) throw behind();
      await migrate(client, steps);
    }
    const hears = await hearsNotices(client, url, refuses);
    // One that passes settings on, or drops them in silence, still shares its connections.
    const isPooled = refuses || !hears;
    database = Database.open({ url, connectionsMax, log }, isPooled);
    if (!hears) {
      log.warn(
        {},
        'Notices of PostgreSQL do not arrive (a pooler in transaction mode?): work, waits and cancels of other processes are found by looking each second, and each statement is a transaction of its own.',
      );
    } else if (isPooled) {
      log.info({}, 'a pooler stands before PostgreSQL; each statement is a transaction of its own');
    }
    return await PostgresStore.start({ database, url, isPooled, inlineBytesMax, log });
  } catch (error) {
    await database?.close();
    throw error;
  } finally {
    await client.end().catch(() => {});
  }
}

/** Run work on a connection that may take its time, such as a migration. */
export async function withConnection<T>(
  url: string,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const { client } = await connect(url);
  try {
    return await work(client);
  } finally {
    await client.end().catch(() => {});
  }
}

/** @returns also whether settings of the connection are refused, as poolers do */
async function connect(url: string): Promise<{ client: Client; refuses: boolean }> {
  assertAddress(url);
  return patiently(async () => {
    try {
      return { client: await connectToMigrate(url, false), refuses: false };
    } catch (error) {
      if (!REFUSED_SETTING.includes(sqlState(error) ?? '')) throw error;
      return { client: await connectToMigrate(url, true), refuses: true };
    }
  });
}

/** The address may hold a password, so it is never repeated. */
function assertAddress(url: string): void {
  if (/^postgres(ql)?:\/\//.test(url) && URL.canParse(url)) return;
  throw new JobError('INTERNAL_ERROR', {
    message: 'The address of the database is not of the form postgres://user@host:port/database.',
  });
}

async function assertSafe(client: Client, log: Logger): Promise<void> {
  const { rows } = await client.query<Settings>(SETTINGS);
  const [found] = rows;
  if (!found) throw new Error('the server does not tell its settings');
  const problems = [
    found.version < VERSION_MIN && `it is older than PostgreSQL 13`,
    found.fsync !== 'on' && 'fsync is off, so a power cut destroys it',
    found.full_page_writes !== 'on' && 'full_page_writes is off, so a power cut destroys it',
    found.encoding !== 'UTF8' && `the database is encoded in ${found.encoding}, not UTF8`,
    found.standby && 'it is a standby, which takes no writes',
  ].filter((problem) => problem !== false);
  if (problems.length > 0) {
    throw new JobError('INTERNAL_ERROR', {
      message: `PostgreSQL cannot be used safely: ${problems.join('; ')}.`,
    });
  }
  if (found.synchronous_commit === 'off') {
    log.warn(
      {},
      'synchronous_commit is off on this server; it is switched on for every transaction of ours.',
    );
  }
}

/** Whether what one connection tells, another one hears. */
async function hearsNotices(client: Client, url: string, refuses: boolean): Promise<boolean> {
  const channel = `probe_${newLease().replaceAll(/\W/g, '_').toLowerCase()}`;
  const teller = await patiently(() => connectToMigrate(url, refuses));
  try {
    await client.query(`LISTEN ${channel}`);
    const heard = once(client, 'notification', { signal: AbortSignal.timeout(NOTICE_MS) });
    const answers = heard.then(
      () => true,
      () => false,
    );
    await teller.query(`NOTIFY ${channel}`);
    return await answers;
  } finally {
    await teller.end().catch(() => {});
  }
}

function behind(): JobError {
  return new JobError('INTERNAL_ERROR', {
    message: 'The tables of the database are not up to date. Run `mcp-async-jobs migrate apply`.',
  });
}
