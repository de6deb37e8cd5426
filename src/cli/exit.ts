/**
 * How a command ends: the exit code, and what is said about an error.
 */
import { CommanderError } from 'commander';
import { JobError } from '../job/errors.ts';
import { printable } from '../job/printable.ts';
import { isPostgres, shownDatabase, withoutPasswords } from './database-address.ts';
import { escaped } from './output.ts';

export const EXIT = {
  ok: 0,
  usage: 1,
  jobFailed: 2,
  auth: 3,
  unreachable: 4,
  toolError: 5,
  cancelled: 6,
  waitTimedOut: 7,
} as const;

export const EXIT_CODES_HELP = `
Exit codes:
  0  done
  1  wrong usage, or something unexpected
  2  the job failed
  3  no valid token, or the token lacks an ability
  4  the server does not answer
  5  the tool or the server refused the call
  6  the job was cancelled
  7  the wait timed out; the job goes on`;

/** An error with the exit code that it ends the command with. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly code: string;
  readonly remediation: string;
  readonly exitCode: number;

  constructor(
    code: string,
    message: string,
    more: { remediation?: string; exitCode?: number } = {},
  ) {
    super(message);
    this.code = code;
    this.remediation = more.remediation ?? 'See --help.';
    this.exitCode = more.exitCode ?? EXIT.usage;
  }
}

/** What went wrong at the database itself: no tool refused anything, so it ends with 1. */
export function localError(thrown: unknown, db: string): unknown {
  if (thrown instanceof CliError || thrown instanceof CommanderError) return thrown;
  if (thrown instanceof JobError && thrown.code === 'STORE_BUSY' && isPostgres(db)) {
    const why = thrown.cause instanceof Error ? thrown.cause.message : thrown.message;
    return new CliError(thrown.code, `${shownDatabase(db)} does not answer: ${why}.`, {
      remediation: 'Start it, or correct its address; then run the command again.',
    });
  }
  if (thrown instanceof JobError && thrown.code !== 'INTERNAL_ERROR') {
    return new CliError(thrown.code, thrown.message, { remediation: thrown.remediation });
  }
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const isTold = thrown instanceof JobError;
  const text = isTold ? message : `${shownDatabase(db)} cannot be used: ${message}.`;
  return new CliError('DATABASE', text, {
    remediation: 'Correct that, and run the command again.',
  });
}

/** The error of a job that has ended badly, which is not an error of the call that asked. */
export class FailedJob extends Error {
  override readonly name = 'FailedJob';
  readonly failure: JobError;
  constructor(failure: JobError) {
    super(failure.message);
    this.failure = failure;
  }
}

const BY_CODE: Readonly<Record<string, number>> = {
  AUTHENTICATION_REQUIRED: EXIT.auth,
  TOKEN_MISSING_ABILITY: EXIT.auth,
  SERVER_UNREACHABLE: EXIT.unreachable,
  SUBMISSION_UNKNOWN: EXIT.unreachable,
  WAIT_TIMEOUT: EXIT.waitTimedOut,
};

export function exitCodeOf(error: unknown): number {
  if (error instanceof CliError || error instanceof CommanderError) return error.exitCode;
  if (error instanceof FailedJob) {
    return error.failure.code === 'JOB_CANCELLED' ? EXIT.cancelled : EXIT.jobFailed;
  }
  if (!(error instanceof JobError)) return EXIT.usage;
  return BY_CODE[error.code] ?? EXIT.toolError;
}

/** The error as one line of JSON, in the standard envelope as far as it is known. */
export function errorLine(error: unknown): string {
  return escaped(withoutPasswords(JSON.stringify({ error: envelopeOf(error) })));
}

/** The error for a person: what happened, and what to do. */
export function errorText(error: unknown): string {
  const { message, remediation, fields } = envelopeOf(error);
  const details = Object.entries(fields ?? {}).flatMap(([field, problems]) =>
    problems.map((problem) => `  ${field}: ${problem}`),
  );
  return [`error: ${message}`, ...details, `  ${remediation}`].map(lineSafe).join('\n');
}

interface Envelope {
  readonly code: string;
  readonly message: string;
  readonly remediation: string;
  readonly fields?: JobError['fields'];
  readonly context?: JobError['context'];
}

function envelopeOf(error: unknown): Envelope {
  if (error instanceof FailedJob) return envelopeOf(error.failure);
  if (error instanceof JobError) {
    const { code, message, remediation, fields, context } = error;
    return { code, message, remediation, ...(fields && { fields }), context };
  }
  if (error instanceof CliError) {
    return { code: error.code, message: error.message, remediation: error.remediation };
  }
  if (error instanceof CommanderError) {
    const message = error.message.replace(/^error: /, '').replaceAll('\n', ' ');
    return { code: 'USAGE', message, remediation: 'See --help.' };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { code: 'UNEXPECTED', message, remediation: 'This is not expected; see the log.' };
}

/** Text of a server must not move the cursor of a terminal. */
const lineSafe = (text: string): string => printable(withoutPasswords(text), 2_000);
