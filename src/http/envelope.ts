/** Errors as HTTP answers: the standard envelope with the status and headers that belong to it. */
import type { ServerResponse } from 'node:http';
import { errorSpec, JobError, toErrorBody, toFailure } from '../job/errors.ts';
import type { Logger } from '../job/log.ts';

/** What is known of a request before anything is known of its sender. */
export interface RequestFacts {
  readonly requestId: string;
  /** Address of the client. */
  readonly address: string;
}

export interface ErrorAnswers {
  /** Address of the page of error codes, without the `#CODE`. */
  readonly docsUrl: string;
  readonly log: Logger;
}

interface HttpError {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Anything but a `JobError` is logged and answered as `INTERNAL_ERROR`, without detail. */
export function toHttpError(error: unknown, requestId: string, answers: ErrorAnswers): HttpError {
  if (!(error instanceof JobError)) {
    answers.log.error({ request_id: requestId, err: error }, 'request failed');
  }
  const failure = toFailure(error, requestId);
  const { status } = errorSpec(failure.code);
  const { allow } = failure.context;
  const body = JSON.stringify({ error: toErrorBody(failure, answers.docsUrl) });
  return {
    status,
    headers: {
      'content-type': 'application/json',
      'cache-control': 'no-store',
      'content-length': String(Buffer.byteLength(body)),
      'x-request-id': requestId,
      ...(status === 401 && { 'www-authenticate': 'Bearer' }),
      ...(typeof allow === 'string' && { allow }),
      ...(status === 429 && { 'retry-after': String(retryAfterSeconds(failure.context)) }),
    },
    body,
  };
}

/** How long a refused caller should wait; at least a second. */
export function retryAfterSeconds(context: Readonly<Record<string, unknown>>): number {
  return Math.max(1, Math.ceil(Number(context['retry_after_seconds'] ?? 1)));
}

/** Answer a request with an error, unless its answer has begun; then it can only be cut. */
export function sendError(outgoing: ServerResponse, error: HttpError): void {
  if (outgoing.headersSent) {
    outgoing.destroy();
    return;
  }
  outgoing.writeHead(error.status, error.headers).end(error.body);
}
