/**
 * Bringing the tables up to date, as a step of a deploy or at the first open. Each step is a
 * transaction under one lock of the whole database, so that a stop between two steps is resumed and
 * several processes at once wait for each other. pg-boss's own tables are among the steps.
 *
 * Whoever waits to change a table holds up everybody who comes after. So a step waits for a moment
 * only, steps back, and tries again.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { PgBoss } from 'pg-boss';
import bossPackage from 'pg-boss/package.json' with { type: 'json' };
import { Client } from 'pg';
import { monotonic } from '../../job/clock.ts';
import { JobError } from '../../job/errors.ts';
import {
  assertNotNewer,
  isAdditive,
  sqlOf,
  statusFor,
  type FoundVersion,
  type MigrationStep,
  type NamespaceStatus,
} from '../migrations.ts';
import { connectionOptions, READ_COMMITTED } from './database.ts';
import { DELIVERY_SCHEMA } from './deliveries.ts';
import { isUndone } from './errors.ts';

/** The tables of one namespace on PostgreSQL. */
export interface Steps {
  readonly namespace: string;
  readonly steps: readonly MigrationStep[];
}

const LOCK = 'SELECT pg_advisory_xact_lock(1785621871)';
/** A step may work, and wait for others who migrate, for longer than any other statement. */
const PATIENT = `${READ_COMMITTED}; SET LOCAL synchronous_commit TO on;
  SET LOCAL statement_timeout TO 0; SET LOCAL lock_timeout TO 0;
  SET LOCAL idle_in_transaction_session_timeout TO 0`;
/** Longer than `deadlock_timeout`, after which an autovacuum gets out of the way. */
const BRIEFLY = 'SET LOCAL lock_timeout TO 2000';
/** How long a step is tried again whose tables are in use. */
const PATIENCE_MS = 60_000;
const RETRY_MS = 1_000;
const RETRY_MAX_MS = 8_000;
const HOLDERS = `SELECT pid, coalesce(nullif(application_name, ''), 'a client without a name') AS name,
    floor(extract(epoch FROM clock_timestamp() - xact_start))::int AS seconds
  FROM pg_stat_activity AS other
  WHERE datname = current_database() AND pid <> pg_backend_pid() AND EXISTS (SELECT 1 FROM pg_locks
    WHERE pg_locks.pid = other.pid AND granted AND locktype = 'relation' AND relation >= 16384)
  ORDER BY xact_start LIMIT 3`;
const EXISTS = `SELECT to_regclass('schema_migrations') IS NOT NULL AS found`;
const CREATE = `CREATE TABLE IF NOT EXISTS schema_migrations (
  namespace text NOT NULL, version integer NOT NULL, applied_at bigint NOT NULL,
  PRIMARY KEY (namespace, version))`;
/** Asked first, since adding it waits for readers even where it is there. */
const HAS_ADDITIVE = `SELECT count(*) = 1 AS found FROM pg_attribute
  WHERE attrelid = to_regclass('schema_migrations') AND attname = 'additive'`;
const ADD_ADDITIVE = `ALTER TABLE schema_migrations
  ADD COLUMN IF NOT EXISTS additive boolean NOT NULL DEFAULT false`;
/** Read as JSON, so that tables from before the column can be read. */
const VERSIONS = `SELECT namespace, max(version) AS version,
  max(CASE to_jsonb(schema_migrations) ->> 'additive' WHEN 'true' THEN 0 ELSE version END) AS breaking
  FROM schema_migrations GROUP BY namespace`;
const RECORD = `INSERT INTO schema_migrations (namespace, version, applied_at, additive)
  VALUES ($1, $2, floor(extract(epoch FROM now()) * 1000)::bigint, $3)`;
const DELIVERIES = 'deliveries';
const DELIVERIES_WANTED = bossPackage.pgboss.schema;
/** Indexes that pg-boss builds beside a running system are waited for this long. */
const BUILD_MS = 3_600_000;

/** A connection of its own for migrating; ended by the caller. */
export async function connectToMigrate(url: string, isPooled: boolean): Promise<Client> {
  const client = new Client({
    ...connectionOptions(url, isPooled),
    query_timeout: 0,
    statement_timeout: 0,
    lock_timeout: 0,
  });
  client.on('error', () => {});
  await client.connect();
  return client;
}

/** How far each namespace is, and how far this program needs it. Changes nothing. */
export async function statusOf(client: Client, all: readonly Steps[]): Promise<NamespaceStatus[]> {
  const found = await versions(client);
  const boss = bossOn(client);
  const installed = (await boss.isInstalled()) ? ((await boss.schemaVersion()) ?? 0) : 0;
  return [
    ...all.map(({ namespace, steps }) => statusFor(namespace, steps.length, found.get(namespace))),
    // Nobody says of a step of pg-boss whether an older one may run beside it.
    statusFor(DELIVERIES, DELIVERIES_WANTED, { version: installed, breaking: installed }),
  ];
}

/**
 * Apply what is missing.
 *
 * @throws JobError when a table was made by a newer program, or is in use for longer than `patienceMs`
 */
export async function migrate(
  client: Client,
  all: readonly Steps[],
  patienceMs = PATIENCE_MS,
): Promise<void> {
  assertNotNewer(await statusOf(client, all));
  const step: Step = (work) => insist(client, work, patienceMs);
  if (!(await isFound(client, HAS_ADDITIVE))) {
    await step(async () => {
      await client.query(CREATE);
      await client.query(ADD_ADDITIVE);
    });
  }
  for (const steps of all) while (await step(() => nextStep(client, steps)));
  await migrateDeliveries(client, step);
}

/** Whether this program may run on them as they are. */
export function isCurrent(status: readonly NamespaceStatus[]): boolean {
  return status.every(({ compatible }) => compatible);
}

async function nextStep(client: Client, { namespace, steps }: Steps): Promise<boolean> {
  const status = statusFor(namespace, steps.length, (await versions(client)).get(namespace));
  assertNotNewer([status]);
  const done = status.found;
  const step = steps[done];
  if (step === undefined) return false;
  await client.query(sqlOf(step));
  await client.query(RECORD, [namespace, done + 1, isAdditive(step)]);
  return true;
}

async function versions(client: Client): Promise<Map<string, FoundVersion>> {
  if (!(await isFound(client, EXISTS))) return new Map();
  const { rows } = await client.query<FoundVersion & { namespace: string }>(VERSIONS);
  return new Map(rows.map(({ namespace, ...found }) => [namespace, found]));
}

async function isFound(client: Client, text: string): Promise<boolean> {
  const { rows } = await client.query<{ found: boolean }>(text);
  return rows[0]?.found === true;
}

/**
 * pg-boss looks what is missing and applies it in one text that ends in COMMIT. Begun under our lock
 * the two are one transaction, so that nobody else can come between the look and the work.
 */
async function migrateDeliveries(client: Client, step: Step): Promise<void> {
  const boss = await step(() => bossOn(client).start());
  try {
    for (const giveUpAt = monotonic() + BUILD_MS; monotonic() < giveUpAt; await pause(200)) {
      const builds = await boss.getBamStatus();
      if (builds.every(({ status }) => status === 'completed' || status === 'failed')) return;
    }
  } finally {
    await boss.stop({ graceful: false, close: false });
  }
}

function bossOn(client: Client): PgBoss {
  const boss = new PgBoss({
    db: { executeSql: (text, values) => client.query(text, values) },
    schema: DELIVERY_SCHEMA,
    migrate: true,
    schedule: false,
    supervise: false,
  });
  // What matters is thrown by the call; without a listener the event would end the process.
  boss.on('error', () => {});
  return boss;
}

/** A piece of work in a transaction of its own, tried again while its tables are in use. */
type Step = <T>(work: () => Promise<T>) => Promise<T>;

async function insist<T>(client: Client, work: () => Promise<T>, patienceMs: number): Promise<T> {
  const giveUpAt = monotonic() + patienceMs;
  for (let waitMs = RETRY_MS; ; waitMs = Math.min(waitMs * 2, RETRY_MAX_MS)) {
    try {
      return await inTransaction(client, work);
    } catch (error) {
      if (!isUndone(error)) throw error;
      if (monotonic() + waitMs > giveUpAt) throw await inUse(client, error);
    }
    await pause(waitMs);
  }
}

/** Which table it was is not told; whoever holds one for longest is the one, most likely. */
async function inUse(client: Client, cause: unknown): Promise<JobError> {
  const { rows } = await client.query<{ pid: number; name: string; seconds: number | null }>(
    HOLDERS,
  );
  const holders = rows.map(({ pid, name, seconds }) => {
    return `${name} (process ${pid}${seconds === null ? '' : `, for ${seconds} s`})`;
  });
  const who = holders.length === 0 ? '' : ` Tables are held by ${holders.join(', ')}.`;
  return new JobError('INTERNAL_ERROR', {
    message: `A step of the migration needs a table for itself that others hold, a backup for example.${who} Wait until they have ended, then run \`mcp-async-jobs migrate apply\`: it goes on with this step.`,
    cause,
  });
}

async function inTransaction<T>(client: Client, work: () => Promise<T>): Promise<T> {
  await client.query(PATIENT);
  try {
    await client.query(LOCK);
    await client.query(BRIEFLY);
    const result = await work();
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {});
    throw error;
  }
}
