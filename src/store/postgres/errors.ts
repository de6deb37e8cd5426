/** What an error of PostgreSQL, or of the way to it, means for whoever waits. */
import { JobError } from '../../job/errors.ts';

/** Undoes the transaction that threw it, and is then given back as its value. */
export class Undo<T> extends Error {
  readonly value: T;
  constructor(value: T) {
    super('undone');
    this.value = value;
  }
}

/** SQLSTATE of an error of the server, or null when it is none. */
export function sqlState(error: unknown): string | null {
  if (!(error instanceof Error) || !('code' in error)) return null;
  const { code } = error;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && 'severity' in error
    ? code
    : null;
}

/**
 * Whether the database is away, or is not the one that takes writes: shut down, crashed, starting,
 * out of connections, a standby. Nothing of a transaction that met it before its commit was kept.
 */
export function isAway(error: unknown): boolean {
  if (error instanceof JobError || error instanceof TypeError) return false;
  const state = sqlState(error);
  if (state === null) return error instanceof Error && isOfTheWire(error);
  return /^(08|57P|53300|25006|25P03)/.test(state);
}

/**
 * Whether a prepared statement answers in another shape since a table was altered, as by the upgrade
 * of another process. The connection keeps it, and refuses it for ever.
 */
export function isOutdated(error: unknown): boolean {
  if (sqlState(error) !== '0A000') return false;
  const { routine } = error as { readonly routine?: unknown };
  return routine === 'RevalidateCachedQuery';
}

/** Whether the transaction was undone for the sake of another one, and may be tried at once. */
export function isUndone(error: unknown): boolean {
  if (isOutdated(error)) return true;
  return ['40001', '40P01', '55P03'].includes(sqlState(error) ?? '');
}

/** The statement's own fault: a constraint, a wrong value, a name that does not exist. */
export function isStatementError(error: unknown): boolean {
  if (error instanceof TypeError) return true;
  const state = isOutdated(error) ? null : sqlState(error);
  return state !== null && /^(0A|21|22|23|26|2B|2F|34|38|39|3F|42|44|54|P0)/.test(state);
}

/** The error that a caller of the store gets, where it is one that he can do something about. */
export function toKnown(error: unknown): unknown {
  if (error instanceof JobError) return error;
  const state = sqlState(error) ?? '';
  if (state.startsWith('23')) return new JobError('CONFLICT', { cause: error });
  if (state === '53100') return new JobError('STORE_FULL', { cause: error });
  if (state === '57014' || isAway(error) || isUndone(error)) {
    return new JobError('STORE_BUSY', { cause: error });
  }
  return error;
}

const WIRE_CODES = [
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'EAI_AGAIN',
  'ENOTFOUND',
  'ENOENT',
];

/** The driver has no codes of its own for these, only sentences. */
const WIRE_SENTENCES =
  /connection terminated|timeout exceeded when trying to connect|query read timeout|connection error|not queryable|connection ended unexpectedly/i;

function isOfTheWire(error: Error): boolean {
  if (error instanceof AggregateError) return error.errors.some(isAway);
  const code = 'code' in error ? String(error.code) : '';
  return WIRE_CODES.includes(code) || WIRE_SENTENCES.test(error.message);
}
