/**
 * Every error code of the product, once. The page `docs/errors.md` and the server's `/errors`
 * are generated from this table.
 *
 * `status` is the HTTP status where the error is an HTTP answer. `retryable` says whether the same
 * call, sent again later and unchanged, can succeed.
 */
export interface ErrorSpec {
  readonly status: number;
  readonly retryable: boolean;
  /** What happened, when the place that raised it says nothing more exact. */
  readonly message: string;
  /** What the caller can do about it. */
  readonly remediation: string;
}

export const ERRORS = {
  VALIDATION_FAILED: {
    status: 422,
    retryable: false,
    message: 'The arguments are not valid.',
    remediation: 'Correct the fields named in `fields` and call again. Nothing was changed.',
  },
  AUTHENTICATION_REQUIRED: {
    status: 401,
    retryable: false,
    message: 'No valid token came with the request.',
    remediation: 'Send `Authorization: Bearer <token>` with a token that has not been revoked.',
  },
  TOKEN_MISSING_ABILITY: {
    status: 403,
    retryable: false,
    message: 'The token lacks an ability that this call needs.',
    remediation: 'Use a token that has the ability named in `context.required_ability`.',
  },
  ORIGIN_REFUSED: {
    status: 403,
    retryable: false,
    message: 'The Host or Origin of the request is not one that this server answers to.',
    remediation: 'Start the server with --allow-host or --allow-origin naming it.',
  },
  RESOURCE_NOT_FOUND: {
    status: 404,
    retryable: false,
    message: 'No such resource is visible to this token.',
    remediation: 'Check the id, and that the token belongs to the team and owner that made it.',
  },
  METHOD_NOT_ALLOWED: {
    status: 405,
    retryable: false,
    message: 'This address does not answer that HTTP method.',
    remediation: 'Send MCP requests as POST to /mcp.',
  },
  CONFLICT: {
    status: 409,
    retryable: false,
    message: 'The change clashes with what exists.',
    remediation: 'Read the present state, then decide again.',
  },
  IDEMPOTENCY_CONFLICT: {
    status: 409,
    retryable: false,
    message: 'This idempotency key was used before with other arguments.',
    remediation: 'Repeat the call with the arguments of the first one, or choose another key.',
  },
  EXPORT_EXPIRED: {
    status: 410,
    retryable: false,
    message: 'The codes of this batch can no longer be exported.',
    remediation: 'Generate a new batch; codes that were exported earlier stay valid.',
  },
  PAYLOAD_TOO_LARGE: {
    status: 413,
    retryable: false,
    message: 'The request body is larger or more deeply nested than this server accepts.',
    remediation: 'Send a smaller body.',
  },
  ANSWER_TOO_LARGE: {
    status: 422,
    retryable: false,
    message: 'The answer of the tool is longer than answers may be; nothing of it was sent.',
    remediation: 'Ask for less: a smaller `limit`, a narrower filter, fewer fields.',
  },
  RATE_LIMITED: {
    status: 429,
    retryable: true,
    message: 'Too many requests.',
    remediation: 'Wait for the seconds in `context.retry_after_seconds`, then call again.',
  },
  STORE_BUSY: {
    status: 503,
    retryable: true,
    message: 'The database was busy for too long; the write was not begun.',
    remediation: 'Call again in a few seconds.',
  },
  STORE_FULL: {
    status: 507,
    retryable: true,
    message: 'The disk of the database is full.',
    remediation: 'The operator has to free disk space; then call again.',
  },
  STORE_UNKNOWN: {
    status: 503,
    retryable: true,
    message: 'The database failed while committing; whether the write was kept is not known.',
    remediation:
      'Look whether it happened (list_jobs), and call again only if it did not. A submission under an idempotency key may be sent again at once, unchanged.',
  },
  TIMEOUT: {
    status: 504,
    retryable: true,
    message: 'The answer took longer than a request may be held.',
    remediation: 'Call again later.',
  },
  INTERNAL_ERROR: {
    status: 500,
    retryable: true,
    message: 'Something failed inside the server.',
    remediation: 'Call again later; if it stays, give `request_id` to the operator.',
  },
  JOB_CANCELLED: {
    status: 409,
    retryable: false,
    message: 'The job was cancelled before it finished.',
    remediation: 'Submit it again if the work is still wanted.',
  },
  ATTEMPTS_EXHAUSTED: {
    status: 500,
    retryable: true,
    message: 'The job failed at every attempt.',
    remediation: 'Submit it again later; if it stays, give `request_id` to the operator.',
  },
  DEADLINE_EXCEEDED: {
    status: 504,
    retryable: true,
    message: 'The job ran past its deadline at every attempt.',
    remediation: 'Submit a smaller job, or ask the operator for a longer deadline.',
  },
  RUNS_EXHAUSTED: {
    status: 500,
    retryable: true,
    message: 'The job was begun too often without coming to an end.',
    remediation: 'Submit it again later; if it stays, give `request_id` to the operator.',
  },
  TOOL_UNAVAILABLE: {
    status: 503,
    retryable: true,
    message: 'No worker has known this tool for an hour.',
    remediation: 'The operator has to start workers that define the tool; then submit again.',
  },
  EFFECT_REFUSED: {
    status: 409,
    retryable: false,
    message: 'What the job wanted to write no longer fits what exists; nothing was written.',
    remediation: 'Check that what the job refers to still exists, then submit again.',
  },
  RESULT_INVALID: {
    status: 500,
    retryable: false,
    message: 'The handler returned something that cannot be kept as its result.',
    remediation: 'This is a defect of the tool; give `request_id` to the operator.',
  },
  INPUT_TIMEOUT: {
    status: 504,
    retryable: true,
    message: 'The job asked a question that nobody answered in time.',
    remediation: 'Submit it again and answer while it waits.',
  },
} as const satisfies Record<string, ErrorSpec>;

export type ErrorCode = keyof typeof ERRORS;
