/**
 * What may be done about a call that brought no answer, or an answer that says "not now".
 */
import { JobError } from '../job/errors.ts';
import { errorIn, isBody, parseBody } from './answers.ts';

export interface Trouble {
  readonly error: JobError;
  /**
   * `again`: the server has done nothing, so any call may be sent again. `unknown`: it may have
   * done it, so only a read may. `never`: another try would end the same.
   */
  readonly retry: 'again' | 'unknown' | 'never';
  /** How long the server asked to be left alone, in milliseconds; null where it did not say. */
  readonly afterMs: number | null;
}

/** System and undici codes of a connection that was never made: the server has seen nothing. */
const NEVER_SENT = [
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
];

/** Codes of the SDK and of undici for a connection that broke, or an answer that never came. */
const NEVER_ANSWERED = [
  'REQUEST_TIMEOUT',
  'CONNECTION_CLOSED',
  'CLIENT_HTTP_UNEXPECTED_CONTENT',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
];

/** Errors that a server answers before it begins anything. */
const NOT_BEGUN = ['RATE_LIMITED', 'STORE_BUSY'];

/** Errors after which the same read may well succeed. */
const PASSING = ['STORE_UNKNOWN', 'TIMEOUT', 'INTERNAL_ERROR'];

/** Sort what a call threw. */
export function troubleOf(thrown: unknown): Trouble {
  if (thrown instanceof JobError) return answered(thrown);
  const status = httpStatusOf(thrown);
  if (status !== null) return refused(thrown, status);
  const codes = codesOf(thrown);
  if (codes.some((code) => NEVER_SENT.includes(code))) return away('again', thrown);
  const broken = codes.some((code) => NEVER_ANSWERED.includes(code) || code.startsWith('UND_ERR_'));
  if (broken || isFetchFailure(thrown)) return away('unknown', thrown);
  return { error: protocolFault(thrown), retry: 'never', afterMs: null };
}

function answered(error: JobError): Trouble {
  const seconds = error.context['retry_after_seconds'];
  const afterMs = typeof seconds === 'number' && seconds >= 0 ? seconds * 1_000 : null;
  if (NOT_BEGUN.includes(error.code)) return { error, retry: 'again', afterMs };
  return { error, retry: PASSING.includes(error.code) ? 'unknown' : 'never', afterMs };
}

/** An HTTP status in place of an answer; the body is the standard envelope where it is ours. */
function refused(thrown: unknown, status: number): Trouble {
  const data = (thrown as { data?: { text?: unknown } }).data;
  const body = typeof data?.text === 'string' ? parseBody(data.text) : null;
  const told = errorIn(body?.['error']);
  if (told !== null) return answered(told);
  if (status === 401 || status === 403) {
    const code = status === 401 ? 'AUTHENTICATION_REQUIRED' : 'TOKEN_MISSING_ABILITY';
    return { error: new JobError(code, { cause: thrown }), retry: 'never', afterMs: null };
  }
  if (status === 429) {
    return { error: new JobError('RATE_LIMITED'), retry: 'again', afterMs: 5_000 };
  }
  const message = `The server answered HTTP ${status} in place of an MCP answer.`;
  if (status >= 500) return away('unknown', thrown, message);
  const remediation = 'Check that the URL is that of an MCP endpoint; ours ends in /mcp.';
  const error = new JobError('PROTOCOL_ERROR', { message, remediation, cause: thrown });
  return { error, retry: 'never', afterMs: null };
}

function away(retry: 'again' | 'unknown', cause: unknown, message?: string): Trouble {
  const error = new JobError('SERVER_UNREACHABLE', {
    message: message ?? `The server does not answer: ${innermost(cause)}.`,
    remediation: 'Check the URL and that the server runs; the job itself is not lost.',
    context: { retryable: true },
    cause,
  });
  return { error, retry, afterMs: null };
}

function protocolFault(thrown: unknown): JobError {
  const unauthorized = thrown instanceof Error && thrown.name === 'UnauthorizedError';
  if (unauthorized) return new JobError('AUTHENTICATION_REQUIRED', { cause: thrown });
  return new JobError('PROTOCOL_ERROR', {
    message: thrown instanceof Error ? thrown.message : String(thrown),
    remediation: 'Check the name of the tool and that the client is connected.',
    cause: thrown,
  });
}

/** Only errors of the SDK's transport carry a status beside a code of their own. */
function httpStatusOf(thrown: unknown): number | null {
  const data: unknown = thrown instanceof Error && 'data' in thrown ? thrown.data : null;
  const status = isBody(data) ? data['status'] : null;
  return typeof status === 'number' ? status : null;
}

const isFetchFailure = (thrown: unknown): boolean =>
  chainOf(thrown).some(
    (error) => error instanceof TypeError && /fetch|terminated/.test(error.message),
  );

const codesOf = (thrown: unknown): string[] =>
  chainOf(thrown).flatMap((error) =>
    'code' in error && typeof error.code === 'string' ? [error.code] : [],
  );

/** The error, its causes and, where a host has many addresses, the errors of each. */
function chainOf(thrown: unknown, depth = 0): Error[] {
  if (!(thrown instanceof Error) || depth > 8) return [];
  const siblings: unknown[] = thrown instanceof AggregateError ? thrown.errors : [];
  return [thrown, ...[thrown.cause, ...siblings].flatMap((next) => chainOf(next, depth + 1))];
}

function innermost(thrown: unknown): string {
  const told = chainOf(thrown).filter((error) => error.message !== '');
  return told.at(-1)?.message ?? String(thrown);
}
