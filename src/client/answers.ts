/**
 * Reads what a server answered: the body of a tool's answer, a job in it, an error in it.
 *
 * Nothing of the SDK is loaded for it, and nothing is trusted: an answer of another shape is read
 * as "not there".
 */
import type { CallToolResult } from '@modelcontextprotocol/client';
import { JobError } from '../job/errors.ts';
import type { Json } from '../job/json.ts';

/** An object of an answer. */
export type Body = { readonly [key: string]: Json };

/** A job as `get_job_status` shows it; further members may stand beside these. */
export interface JobState {
  readonly job_id: string;
  readonly status: 'queued' | 'running' | 'completed' | 'failed';
  readonly result?: Json;
  readonly error?: Json;
  readonly enqueued_at?: Json;
  /** When the server wants to be asked again, in milliseconds. Absent once final. */
  readonly poll_after_ms?: Json;
  /** How far the job says it is: `done`, `total`, `message`, `percent`. */
  readonly progress?: Json;
  readonly eta_seconds?: Json;
  /** Questions that the job waits for, by key. */
  readonly input_requests?: Json;
  /** Where a result is that is too large for an answer: an MCP resource, and an address to GET. */
  readonly result_uri?: Json;
  readonly result_url?: Json;
  readonly [key: string]: Json | undefined;
}

/** How far a job is, as far as the server says; null is what it does not say. */
export interface JobProgress {
  readonly done: number | null;
  readonly total: number | null;
  readonly percent: number | null;
  readonly message: string | null;
  readonly etaSeconds: number | null;
}

const STATUSES: readonly Json[] = ['queued', 'running', 'completed', 'failed'];

export function isBody(value: unknown): value is Body {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The object that a tool answered: its structured content, else the JSON of its first text. */
export function bodyOf(answer: CallToolResult): Body | null {
  if (isBody(answer.structuredContent)) return answer.structuredContent;
  const text = textOf(answer);
  return text === null ? null : parseBody(text);
}

/** The first text of an answer. */
export function textOf(answer: CallToolResult): string | null {
  const first = answer.content.find((block) => block.type === 'text');
  return first?.type === 'text' ? first.text : null;
}

/** JSON text that holds an object; null for any other text. */
export function parseBody(text: string): Body | null {
  try {
    const value: unknown = JSON.parse(text);
    return isBody(value) ? value : null;
  } catch {
    return null;
  }
}

/** The job that a body tells of, or null when it tells of none. */
export function jobIn(body: Body | null): JobState | null {
  const data = body?.['data'];
  if (!isBody(data) || typeof data['job_id'] !== 'string') return null;
  return STATUSES.includes(data['status'] ?? null) ? (data as unknown as JobState) : null;
}

/** The progress that a state tells of, or null when it tells of none. */
export function progressOf({ progress, eta_seconds: eta }: JobState): JobProgress | null {
  return isBody(progress) ? readProgress(progress, eta) : null;
}

/** Progress from an object of the wire; `progress` is what notifications call `done`. */
export function readProgress(
  body: { readonly [key: string]: unknown },
  eta?: unknown,
): JobProgress {
  const done = numberOr(body['done'] ?? body['progress']);
  const total = numberOr(body['total']);
  const { message } = body;
  const share = done !== null && total !== null && total > 0 ? (100 * done) / total : null;
  return {
    done,
    total,
    percent:
      numberOr(body['percent']) ?? (share === null ? null : Math.floor(Math.min(100, share))),
    message: typeof message === 'string' ? message : null,
    etaSeconds: numberOr(eta),
  };
}

const numberOr = (value: unknown): number | null => (typeof value === 'number' ? value : null);

export function isFinalState(state: JobState): boolean {
  return state.status === 'completed' || state.status === 'failed';
}

/** What an ordinary tool has answered: `data` of its object, the object, or its text. */
export function plainAnswer(answer: CallToolResult): Json {
  const body = bodyOf(answer);
  return body === null ? textOf(answer) : (body['data'] ?? body);
}

/** The standard envelope as an error, or null when the value is none. */
export function errorIn(value: unknown, context: Body = {}): JobError | null {
  if (!isBody(value) || typeof value['code'] !== 'string') return null;
  const { code, message, remediation, request_id: requestId, fields } = value;
  return new JobError(code, {
    ...(typeof message === 'string' && { message }),
    ...(typeof remediation === 'string' && { remediation }),
    ...(isBody(fields) && { fields: fields as Record<string, string[]> }),
    context: {
      ...(isBody(value['context']) && value['context']),
      ...(typeof requestId === 'string' && { request_id: requestId }),
      ...context,
    },
  });
}

/** The error of a tool that answered with `isError`. */
export function toolError(name: string, answer: CallToolResult): JobError {
  return (
    errorIn(bodyOf(answer)?.['error']) ??
    new JobError('TOOL_ERROR', {
      message: textOf(answer) ?? `The tool "${name}" failed and did not say why.`,
      remediation: 'Read the message of the tool; correct the arguments or call again later.',
    })
  );
}

/** Why a job failed, with its id. */
export function jobFailure(state: JobState): JobError {
  const context = { job_id: state.job_id };
  return (
    errorIn(state.error, context) ??
    new JobError('JOB_FAILED', { message: `Job ${state.job_id} failed.`, context })
  );
}
