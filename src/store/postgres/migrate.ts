/**
 * Bringing the tables up to date, as a step of a deploy or at the first open. Each step is a
 * transaction under one lock of the whole database, so that a stop between two steps is resumed and
 * several processes at once wait for each other. pg-boss's own tables are among the steps.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { PgBoss } from 'pg-boss';
import bossPackage from 'pg-boss/package.json' with { type: 'json' };
import { Client } from 'pg';
import { monotonic } from '../../job/clock.ts';
import {
  assertNotNewer,
  isAdditive,
  sqlOf,
  statusFor,
  type FoundVersion,
  type MigrationStep,
  type NamespaceStatus,
} from '../migrations.ts';
import { connectionOptions } from './database.ts';
import { DELIVERY_SCHEMA } from './deliveries.ts';

/** The tables of one namespace on PostgreSQL. */
export interface Steps {
  readonly namespace: string;
  readonly steps: readonly MigrationStep[];
}

const LOCK = 'SELECT pg_advisory_xact_lock(1785621871)';
/** A step may wait for a lock, or work, for longer than any other statement. */
const PATIENT = `BEGIN; SET LOCAL synchronous_commit TO on; SET LOCAL statement_timeout TO 0;
  SET LOCAL lock_timeout TO 0; SET LOCAL idle_in_transaction_session_timeout TO 0`;
const EXISTS = `SELECT to_regclass('schema_migrations') IS NOT NULL AS found`;
const CREATE = `CREATE TABLE IF NOT EXISTS schema_migrations (
  namespace text NOT NULL, version integer NOT NULL, applied_at bigint NOT NULL,
  PRIMARY KEY (namespace, version))`;
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
 * @throws JobError when a table was made by a newer program, or a step cannot be applied
 */
export async function migrate(client: Client, all: readonly Steps[]): Promise<void> {
  assertNotNewer(await statusOf(client, all));
  await inTransaction(client, async () => {
    await client.query(CREATE);
    await client.query(ADD_ADDITIVE);
  });
  for (const steps of all) {
    while (await inTransaction(client, () => nextStep(client, steps)));
  }
  await migrateDeliveries(client);
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
  const { rows: exists } = await client.query<{ found: boolean }>(EXISTS);
  if (exists[0]?.found !== true) return new Map();
  const { rows } = await client.query<FoundVersion & { namespace: string }>(VERSIONS);
  return new Map(rows.map(({ namespace, ...found }) => [namespace, found]));
}

/**
 * pg-boss looks what is missing and applies it in one text that ends in COMMIT. Begun under our lock
 * the two are one transaction, so that nobody else can come between the look and the work.
 */
async function migrateDeliveries(client: Client): Promise<void> {
  const boss = bossOn(client);
  await inTransaction(client, () => boss.start());
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

async function inTransaction<T>(client: Client, work: () => Promise<T>): Promise<T> {
  await client.query(PATIENT);
  try {
    await client.query(LOCK);
    const result = await work();
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {});
    throw error;
  }
}
