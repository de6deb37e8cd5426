/** Results that are too long for an answer are given by link, whole; nothing is cut. */
import type { ContentBlock } from '@modelcontextprotocol/server';
import type { Job } from '../job/job.ts';
import type { Json } from '../job/json.ts';

/** The longest result that stands in an answer itself, in bytes of JSON. */
const INLINE_BYTES_MAX = 65_536;

/** Stands beside `result: null` of a completed job. */
export interface ResultLink {
  /** An MCP resource, for `resources/read`. */
  readonly result_uri: string;
  /** GET it with the token of the call. */
  readonly result_url?: string;
  readonly result_bytes: number;
}

/** @param result as it is read, or null when it is kept apart */
export function isLinked(job: Job, result: Json): boolean {
  if (job.resultBytes === null) return false;
  // The schema of a result is that of an object, so null is never the result itself.
  return result === null || bytesOf(result) > INLINE_BYTES_MAX;
}

export function resultLink(
  job: Job,
  result: Json,
  at: { readonly publicUrl: string; readonly servesResults: boolean },
): ResultLink {
  return {
    result_uri: resultUri(job.id),
    ...(at.servesResults && { result_url: `${at.publicUrl}/jobs/${job.id}/result` }),
    result_bytes: result === null ? (job.resultBytes ?? 0) : bytesOf(result),
  };
}

export function resultUri(jobId: string): string {
  return `mcp-async-jobs://jobs/${jobId}/result`;
}

/** The link as a client shows or follows it. */
export function linkBlock(
  toolName: string,
  { result_uri, result_bytes }: ResultLink,
): ContentBlock {
  return {
    type: 'resource_link',
    uri: result_uri,
    name: `Result of ${toolName}`,
    description: `The whole result, ${result_bytes} bytes, which is too long for this answer.`,
    mimeType: 'application/json',
    size: result_bytes,
  };
}

function bytesOf(value: Json): number {
  return Buffer.byteLength(JSON.stringify(value));
}
