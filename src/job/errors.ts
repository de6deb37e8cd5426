/**
 * The one error class, and the standard envelope in which every error reaches a caller.
 *
 * A `JobError` is meant for the caller: its message, fields and context are shown as they are. Any
 * other error is a fault: it goes to the log, and the caller reads only a code.
 */
import { ERRORS, type ErrorCode, type ErrorSpec } from './error-codes.ts';
import type { Json } from './json.ts';
import { printableJson, printableLine } from './printable.ts';

export interface JobErrorOptions {
  readonly message?: string;
  readonly remediation?: string;
  /** What is wrong, by the path of the argument: `{ quantity: ['must be 1..1000'] }`. */
  readonly fields?: Readonly<Record<string, readonly string[]>>;
  /** Facts for a program. */
  readonly context?: Readonly<Record<string, Json>>;
  readonly cause?: unknown;
}

/** The body of the standard envelope as it is stored with a job: everything but `docs_url`. */
export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly remediation: string;
  readonly request_id: string;
  readonly fields?: Readonly<Record<string, readonly string[]>>;
  readonly context: Readonly<Record<string, Json>>;
  /** Whether the handler declared it, or something broke. Decides how MCP tasks show it. */
  readonly fault: boolean;
}

/** The body of the standard envelope as a caller reads it. */
export type ErrorBody = Omit<Failure, 'fault'> & { readonly docs_url: string };

const AUTHOR_SPEC: ErrorSpec = {
  status: 422,
  retryable: false,
  message: 'The job failed.',
  remediation: 'Read the message; submit again with other arguments.',
};

/** An error for the caller. Thrown by a handler it ends the job at once, without a retry. */
export class JobError extends Error {
  override readonly name = 'JobError';
  readonly code: string;
  readonly remediation: string;
  readonly fields: JobErrorOptions['fields'];
  readonly context: Readonly<Record<string, Json>>;

  /** @param code one of the product's codes, or a code of your own in CAPITALS */
  constructor(code: ErrorCode | (string & {}), options: JobErrorOptions = {}) {
    const spec = errorSpec(code);
    super(options.message ?? spec.message, { cause: options.cause });
    this.code = code;
    this.remediation = options.remediation ?? spec.remediation;
    this.fields = options.fields;
    this.context = { retryable: spec.retryable, ...options.context };
  }
}

/** What is known of a code; an author's own code counts as a plain, final failure. */
export function errorSpec(code: string): ErrorSpec {
  return Object.hasOwn(ERRORS, code) ? ERRORS[code as ErrorCode] : AUTHOR_SPEC;
}

/** For whoever asks for what a disk has changed; all others are served. */
export function damaged(what: string, cause?: unknown): JobError {
  return new JobError('INTERNAL_ERROR', {
    message: `${what} cannot be read any more, because the database is damaged.`,
    remediation: 'Submit again. The operator should run `doctor` and look at the disk.',
    cause,
  });
}

/** Authors put into their errors what callers sent; a text that is longer than this is cut. */
const TEXT_MAX = 1_000;

/** The stored form of an error, its texts made printable. Anything but a `JobError` becomes `INTERNAL_ERROR` without detail. */
export function toFailure(error: unknown, requestId: string, fault = false): Failure {
  const known = error instanceof JobError ? error : new JobError('INTERNAL_ERROR');
  const { fields } = known;
  return {
    code: printableLine(known.code, 100),
    message: printableLine(known.message, TEXT_MAX),
    remediation: printableLine(known.remediation, TEXT_MAX),
    request_id: requestId,
    ...(fields && { fields: printableJson(fields, TEXT_MAX) as NonNullable<typeof fields> }),
    context: printableJson(known.context, TEXT_MAX) as Readonly<Record<string, Json>>,
    fault,
  };
}

/**
 * The standard envelope.
 *
 * @param docsUrl address of the page of error codes, without the `#CODE`
 */
export function toErrorBody(failure: Failure, docsUrl: string): ErrorBody {
  const { fault: _, code, ...rest } = failure;
  return { code, docs_url: `${docsUrl}#${code}`, ...rest };
}
