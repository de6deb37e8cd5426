/**
 * One transaction on one connection: what is sent when, and what its end means.
 *
 * A read may be sent along with the beginning, and what nobody waits for along with the commit. All
 * answers come in the order of the statements.
 */
import type { PoolClient } from 'pg';
import { JobError } from '../../job/errors.ts';
import type { Row } from '../job-row.ts';
import { isAway, sqlState, Undo } from './errors.ts';
import { bind, compile, type Bindable, type Given } from './parameters.ts';
import { TYPES } from './types.ts';

export interface Rows {
  readonly rows: Row[];
  readonly changed: number;
}

/** A connection as pg-boss takes it for its `db` option. */
interface BossConnection {
  executeSql(text: string, values?: unknown[]): Promise<{ rows: Row[] }>;
}

/**
 * Statements of one transaction. A write waits for the answer to the beginning, without which it
 * would be kept by itself.
 */
export interface Transaction {
  /** @param text with `:name` parameters */
  run(text: string, params?: Given): Promise<Rows>;
  runBound(text: string, values: readonly Bindable[]): Promise<Rows>;
  /** A read, as the first statement: it is sent along with the beginning. */
  read(text: string, params?: Given): Promise<Rows>;
  /** What follows, or the commit, is sent along without waiting for the answer. Never first. */
  post(text: string, params?: Given): Promise<Rows>;
  /**
   * The same transaction as pg-boss takes it. What is `posted` gets no answer; what is not `fetch`
   * has one text for each queue, and is prepared.
   */
  db(use: 'fetch' | 'settle' | 'posted'): BossConnection;
}

/** Statements of ours that a connection keeps prepared, at most. */
const PREPARED_MAX = 200;

export interface Running {
  readonly client: PoolClient;
  readonly begun: Promise<unknown>;
  readonly names: Map<string, string> | null;
  /** Statements whose answers nobody has waited for. */
  readonly posted: Promise<unknown>[];
}

/** Do the work and commit it; throwing `Undo` undoes it and gives its value back. */
export async function commit<T>(
  running: Running,
  work: (tx: Transaction) => Promise<T>,
): Promise<T> {
  const { client, posted } = running;
  let value: T;
  try {
    value = await work(transactionOn(running));
  } catch (error) {
    if (!isAway(error)) await client.query('ROLLBACK');
    if (error instanceof Undo) return error.value as T;
    // Behind one that failed all others fail, and it alone knows why.
    await firstFailure(posted);
    throw error;
  }
  let isUnsure = false;
  const onNotice = ({ routine }: { readonly routine?: string | undefined }) => {
    isUnsure ||= routine === 'SyncRepWaitForLSN';
  };
  client.on('notice', onNotice);
  try {
    const committed = client.query('COMMIT');
    // A commit behind a statement that failed undoes everything; the statement knows why.
    await firstFailure([...posted, committed]);
    isUnsure ||= (await committed).command !== 'COMMIT';
  } catch (error) {
    // The server undoes what it cannot commit, and says so; a lost answer says nothing.
    if (sqlState(error) !== null && !isAway(error)) throw error;
    throw new JobError('STORE_UNKNOWN', { cause: error });
  } finally {
    client.off('notice', onNotice);
  }
  if (isUnsure) throw new JobError('STORE_UNKNOWN');
  return value;
}

/** Throws what the first of them has thrown, not the first that was heard of. */
async function firstFailure(sent: readonly Promise<unknown>[]): Promise<void> {
  await Promise.allSettled(sent);
  for (const one of sent) await one;
}

export function transactionOn({ client, begun, names, posted }: Running): Transaction {
  const later = <T>(sent: Promise<T>): Promise<T> => {
    sent.catch(() => {});
    posted.push(sent);
    return sent;
  };
  const sendText = (text: string, params: Given) => {
    const compiled = compile(text);
    const name = nameOf(compiled.text, names);
    return send(client, compiled.text, bind(compiled, params), name);
  };
  return {
    async run(text, params = {}) {
      await begun;
      return sendText(text, params);
    },
    async runBound(text, values) {
      await begun;
      return send(client, text, values);
    },
    async read(text, params = {}) {
      const [rows] = await Promise.all([sendText(text, params), begun]);
      return rows;
    },
    post: (text, params = {}) => later(sendText(text, params)),
    db: (use) => ({
      async executeSql(text, values) {
        const name = use === 'fetch' ? undefined : nameOf(text, names);
        const query = { text, values, ...(name === undefined ? {} : { name }) };
        if (use !== 'posted') {
          await begun;
          return client.query<Row>(query);
        }
        void later(client.query<Row>(query));
        return { rows: [] };
      },
    }),
  };
}

export async function send(
  client: PoolClient,
  text: string,
  values: readonly Bindable[],
  name?: string,
): Promise<Rows> {
  const query = {
    text,
    values: [...values],
    types: TYPES,
    ...(name === undefined ? {} : { name }),
  };
  const { rows, rowCount } = await client.query<Row>(query);
  return { rows, changed: rowCount ?? 0 };
}

export function nameOf(text: string, names: Map<string, string> | null): string | undefined {
  const name = names?.get(text);
  if (name !== undefined || !names || names.size >= PREPARED_MAX) return name;
  names.set(text, `mcp_async_jobs_${names.size}`);
  return names.get(text);
}
