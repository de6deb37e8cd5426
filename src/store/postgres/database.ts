/**
 * A bounded pool of connections, and the two ways to use it: one statement by itself, or one
 * transaction.
 *
 * Whoever waits never waits for ever and never meets a raw error of the wire: a lost connection is
 * retried with backoff for ten seconds, then it is STORE_BUSY (nothing was begun). What fails while
 * committing is STORE_UNKNOWN and is not retried.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { Pool, type ClientConfig, type PoolClient, type QueryResult } from 'pg';
import { monotonic } from '../../job/clock.ts';
import { JobError } from '../../job/errors.ts';
import { randomBelow } from '../../job/ids.ts';
import type { Logger } from '../../job/log.ts';
import type { Row } from '../job-row.ts';
import { isAway, isOutdated, isUndone, sqlState, toKnown, Undo } from './errors.ts';
import { bind, compile, type Bindable, type Given } from './parameters.ts';
import { commit, nameOf, send, transactionOn, type Rows, type Transaction } from './transaction.ts';

export interface TransactionOptions {
  /** Whether it runs statements that are not ours, which are planned as their authors expect. */
  readonly isForeign?: boolean;
}

export interface DatabaseOptions {
  readonly url: string;
  /** Most connections of the pool. */
  readonly connectionsMax: number;
  readonly log: Logger;
}

/** The server gives up first, so that an answer that never comes means a connection that is gone. */
const STATEMENT_MS = 10_000;
const LOCK_MS = 5_000;
/** What a process that fell silent in the middle has locked is free before its leases are over. */
const IDLE_IN_TRANSACTION_MS = 5_000;
const ANSWER_MS = 11_000;
const CONNECT_MS = 3_500;
const KEEP_ALIVE_MS = 5_000;
const FAREWELL_MS = 2_000;
/** How long the work of a caller is tried again. */
const PATIENCE_MS = 10_000;
const RETRY_MAX_MS = 500;

/** A pooler passes on no settings of a connection and may change the server behind it: each transaction sets and asks. */
const LOCALLY = `SET LOCAL synchronous_commit TO on; SET LOCAL statement_timeout TO ${STATEMENT_MS};
  SET LOCAL lock_timeout TO ${LOCK_MS};
  SET LOCAL idle_in_transaction_session_timeout TO ${IDLE_IN_TRANSACTION_MS}`;
const STANDBY = 'SELECT pg_is_in_recovery() AS standby';
/**
 * Our statements, and those of pg-boss, walk indexes in their order, whatever their parameters. A
 * planner that has not heard of a new queue yet thinks that it is short, and would read and sort
 * all of it for each claim. Up to PostgreSQL 17 what is off only counts as very dear, and what is
 * dear is compiled first (`jit`), which takes a hundred times as long as to run it.
 */
const BY_INDEX = ['seqscan', 'bitmapscan', 'sort', 'hashjoin', 'mergejoin']
  .map((way) => `SET LOCAL enable_${way} TO off; `)
  .concat('SET LOCAL plan_cache_mode TO force_generic_plan; SET LOCAL jit TO off')
  .join('');
/**
 * Whoever counts under a lock has to see what was committed while it waited, also where the default
 * of the database is one snapshot for the whole transaction.
 */
export const READ_COMMITTED = 'BEGIN ISOLATION LEVEL READ COMMITTED';
const BEGIN = `${READ_COMMITTED}; ${LOCALLY}; ${STANDBY}`;
const BEGIN_OURS = `${READ_COMMITTED}; ${LOCALLY}; ${BY_INDEX}; ${STANDBY}`;
const BEGIN_READ_ONLY = `${READ_COMMITTED} READ ONLY; ${LOCALLY}; ${STANDBY}`;
/** Refused because the transaction may only read. */
const READ_ONLY = '25006';

/**
 * What is prepared is parsed once, but planned each time it runs: a plan that was made while a table
 * was short reads all of it, and would be kept until somebody counts the table again.
 */
const PLANNED_ANEW = '-c plan_cache_mode=force_custom_plan';
const OPTIONS = `-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=4 ${PLANNED_ANEW}`;

/** Settings of a connection that a pooler between us and the server may refuse. */
const SESSION = {
  statement_timeout: STATEMENT_MS,
  lock_timeout: LOCK_MS,
  idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
  options: OPTIONS,
};

export class Database {
  readonly #pool: Pool;
  readonly #isPooled: boolean;
  /** Connections that are known to lead to a server that takes writes. */
  readonly #checked = new WeakSet<object>();
  /** Names of prepared statements; behind a pooler nothing stays with a connection. */
  readonly #names: Map<string, string> | null;
  #isClosed = false;

  private constructor(pool: Pool, isPooled: boolean, log: Logger) {
    this.#pool = pool;
    this.#isPooled = isPooled;
    this.#names = isPooled ? null : new Map();
    // A connection may be lost between two statements, when nobody waits for it; its next statement
    // fails, and that is where the loss is answered.
    pool.on('connect', (client) => client.on('error', () => {}));
    pool.on('error', (error) => log.debug({ error: error.message }, 'an idle connection was lost'));
  }

  /** @param isPooled whether a pooler stands in between: then nothing holds beyond a transaction */
  static open(options: DatabaseOptions, isPooled: boolean): Database {
    const pool = new Pool({
      ...connectionOptions(options.url, isPooled),
      max: options.connectionsMax,
      pipeline: true,
      idleTimeoutMillis: 30_000,
    });
    return new Database(pool, isPooled, options.log);
  }

  /** One statement by itself. It may run twice when a connection is lost, so it must not mind. */
  async query(text: string, params: Given = {}, patienceMs = PATIENCE_MS): Promise<Row[]> {
    const compiled = compile(text);
    const values = bind(compiled, params);
    return patiently(async () => {
      return this.#with(async (client) => {
        const { rows } = this.#isPooled
          ? await sendAlone(client, compiled.text, values)
          : await send(client, compiled.text, values, nameOf(compiled.text, this.#names));
        return rows;
      });
    }, patienceMs);
  }

  /** The same for pg-boss, with its own types. */
  async executeSql(text: string, values?: unknown[]): Promise<{ rows: Row[] }> {
    return patiently(async () => {
      return this.#with(async (client) => {
        try {
          return await client.query<Row>(text, values);
        } catch (error) {
          // It sends whole transactions in one text; what failed may have left one open.
          await client.query('ROLLBACK');
          throw error;
        }
      });
    });
  }

  /** A read of many statements, or of one that might write: nothing can be written in it. */
  async readOnly<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    return patiently(() =>
      this.#with(async (client) => {
        await begin(client, BEGIN_READ_ONLY);
        try {
          return await work(
            transactionOn({ client, begun: Promise.resolve(), names: null, posted: [] }),
          );
        } catch (error) {
          throw sqlState(error) === READ_ONLY ? new TypeError('a read cannot write') : error;
        } finally {
          await client.query('ROLLBACK');
        }
      }),
    );
  }

  /**
   * All of the work or nothing of it, durable when the promise resolves. It is repeated when it was
   * undone or lost before its commit. Throwing `Undo` undoes it and gives its value back.
   */
  async transaction<T>(
    work: (tx: Transaction) => Promise<T>,
    { isForeign = false }: TransactionOptions = {},
  ): Promise<T> {
    return patiently(() =>
      this.#with((client) => {
        const begun = begin(client, isForeign ? BEGIN : BEGIN_OURS);
        begun.catch(() => {});
        return commit({ client, begun, names: this.#names, posted: [begun] }, work);
      }),
    );
  }

  async #with<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    if (this.#isClosed) throw new Error('the store is closed');
    const client = await this.#pool.connect();
    let isBroken = true;
    try {
      if (!this.#isPooled && !this.#checked.has(client)) {
        assertTakesWrites(await client.query('SELECT pg_is_in_recovery() AS standby'));
        this.#checked.add(client);
      }
      const value = await work(client);
      isBroken = false;
      return value;
    } catch (error) {
      // Where the server said no, it is fit for the next statement; anything else ends the connection.
      isBroken = sqlState(error) === null ? !isOurs(error) : isAway(error) || isOutdated(error);
      throw error;
    } finally {
      client.release(isBroken);
    }
  }

  /** Refuse what comes, and wait for what runs. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await soon(this.#pool.end());
  }
}

/** Wait for the end of a connection, but not for a farewell that may never come. */
export async function soon(end: Promise<void>): Promise<void> {
  const farewell = end.catch(() => {});
  await Promise.race([farewell, pause(FAREWELL_MS, undefined, { ref: false })]);
}

/** Try again while the database is away; give up in a typed error. */
export async function patiently<T>(work: () => Promise<T>, ms = PATIENCE_MS): Promise<T> {
  const giveUpAt = monotonic() + ms;
  for (let waitMs = 20; ; waitMs = Math.min(waitMs * 2, RETRY_MAX_MS)) {
    try {
      return await work();
    } catch (error) {
      const mayRepeat = isUndone(error) || isAway(error);
      if (!mayRepeat || monotonic() > giveUpAt) throw toKnown(error);
    }
    await pause(waitMs / 2 + randomBelow(waitMs / 2 + 1));
  }
}

/** How a connection of ours is made; also for the one that listens. */
export function connectionOptions(url: string, isPooled: boolean): ClientConfig {
  return {
    connectionString: isPooled ? url : withOptions(url),
    application_name: 'mcp-async-jobs',
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: ANSWER_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    ...(isPooled ? {} : SESSION),
  };
}

/** To the driver the `options` of an address replace ours, so ours are written behind them there. */
function withOptions(url: string): string {
  return url.replaceAll(/[?&]options=[^&#]*/g, (given) => {
    return `${given}+${OPTIONS.replaceAll(' ', '+')}`;
  });
}

/** One statement in a transaction of its own, where nothing that was set holds any longer. */
async function sendAlone(
  client: PoolClient,
  text: string,
  values: readonly Bindable[],
): Promise<Rows> {
  await begin(client);
  try {
    const answer = await send(client, text, values);
    await client.query('COMMIT');
    return answer;
  } catch (error) {
    if (!isAway(error)) await client.query('ROLLBACK');
    throw error;
  }
}

async function begin(client: PoolClient, text = BEGIN): Promise<void> {
  const answers = (await client.query(text)) as unknown as QueryResult[];
  assertTakesWrites(answers.at(-1));
}

/** After a failover an address may lead to a standby, which knows less than was acknowledged. */
function assertTakesWrites(answer: QueryResult | undefined): void {
  const [row] = (answer?.rows ?? []) as { standby: boolean }[];
  if (row?.standby === false) return;
  throw Object.assign(new Error('the server is a standby'), { code: 'ECONNREFUSED' });
}

function isOurs(error: unknown): boolean {
  if (error instanceof JobError) return error.code !== 'STORE_UNKNOWN';
  return error instanceof Undo || !isAway(error);
}
