/**
 * Deliveries: who hears of a due job, and when. They are pg-boss's, reached through its public API
 * only; what it is used for is handing out without collisions, delays, priorities, and keeping its
 * own tables clean.
 *
 * A delivery is a hint for one run of one job. Its id is made of both, so that delivering twice is
 * an insert that conflicts in silence. It is settled in the transaction that claims the job; what
 * pg-boss thinks of retries, expiry and retention never decides anything.
 */
import { createHash } from 'node:crypto';
import { PgBoss } from 'pg-boss';
import type { Logger } from '../../job/log.ts';
import type { Database } from './database.ts';
import type { Transaction } from './transaction.ts';

export const DELIVERY_SCHEMA = 'mcp_async_jobs_delivery';

/** The largest that pg-boss allows; a delivery is never active beyond the transaction of a claim. */
const EXPIRE_SECONDS = 86_400;
/** An undelivered hint is dropped after this; the sweep makes a new one. */
const RETENTION_SECONDS = 14 * 86_400;
const PRIORITY_MIN = -2_147_483_648;

/** What a delivery is made from. */
export interface Due {
  readonly id: string;
  readonly tool: string;
  readonly runs: number;
  readonly turn: number;
  /** Milliseconds until the job is due. */
  readonly delayMs?: number;
}

export interface Hint {
  readonly delivery: string;
  readonly id: string;
  readonly run: number;
}

interface Data {
  readonly id: string;
  readonly run: number;
}

export class Deliveries {
  readonly #boss: PgBoss;
  readonly #queues = new Map<string, Promise<void>>();

  constructor(database: Database, log: Logger) {
    this.#boss = new PgBoss({
      db: { executeSql: (text, values) => database.executeSql(text, values) },
      schema: DELIVERY_SCHEMA,
      migrate: false,
      schedule: false,
      supervise: true,
    });
    this.#boss.on('error', (error) => log.warn({ error: error.message }, 'upkeep of deliveries'));
    this.#boss.on('warning', ({ message }) => log.warn({ warning: message }, 'deliveries'));
  }

  async start(): Promise<void> {
    await this.#boss.start();
  }

  async stop(): Promise<void> {
    await this.#boss.stop({ graceful: false, close: false });
  }

  /** Make the queues of these tools known here; outside of any transaction. */
  async prepare(tools: Iterable<string>): Promise<void> {
    const missing = new Set(tools);
    for (const tool of missing) {
      let ready = this.#queues.get(tool);
      if (!ready) {
        ready = this.#makeQueue(queueOf(tool));
        this.#queues.set(tool, ready);
        ready.catch(() => this.#queues.delete(tool));
      }
      await ready;
    }
  }

  async #makeQueue(name: string): Promise<void> {
    await this.#boss.createQueue(name, {
      retryLimit: 0,
      expireInSeconds: EXPIRE_SECONDS,
      retentionSeconds: RETENTION_SECONDS,
      notify: false,
    });
    // Inserting nothing makes pg-boss remember the queue, so that it asks nobody inside a transaction.
    await this.#boss.insert(name, []);
  }

  /** Deliver, at the end of the transaction; what was delivered already is passed over. The queues must have been prepared. */
  async send(tx: Transaction, jobs: readonly Due[]): Promise<void> {
    for (const [tool, due] of Map.groupBy(jobs, (job) => job.tool)) {
      const rows = due.map(({ id, runs, turn, delayMs = 0 }) => ({
        id: deliveryId(id, runs),
        data: { id, run: runs } satisfies Data,
        priority: Math.max(PRIORITY_MIN, -turn),
        startAfter: delayMs / 1_000,
      }));
      await this.#boss.insert(queueOf(tool), rows, { db: tx.db('posted') });
    }
  }

  /** Take up to `limit` hints; nobody else gets them unless the transaction is undone. */
  async take(tx: Transaction, tool: string, limit: number): Promise<Hint[]> {
    const jobs = await this.#boss.fetch<Data>(queueOf(tool), {
      batchSize: limit,
      db: tx.db('fetch'),
    });
    return jobs.map(({ id, data }) => ({ delivery: id, id: data.id, run: data.run }));
  }

  /** Forget hints that were taken. */
  async settle(tx: Transaction, tool: string, hints: readonly Hint[]): Promise<void> {
    if (hints.length === 0) return;
    const ids = hints.map(({ delivery }) => delivery);
    await this.#boss.deleteJob(queueOf(tool), ids, { db: tx.db('settle') });
  }
}

/** A UUID (version 8: of our own making) that names one run of one job. */
export function deliveryId(job: string, run: number): string {
  const bytes = createHash('sha256').update(`${job}/${run}`).digest().subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join('-');
}

/** A queue is named like its tool; names that pg-boss does not take stand behind a dot, digested. */
export function queueOf(tool: string): string {
  if (/^[A-Za-z0-9_-]{1,64}$/.test(tool)) return tool;
  return `.${createHash('sha256').update(tool).digest('hex').slice(0, 40)}`;
}
