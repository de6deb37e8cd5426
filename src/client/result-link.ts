/** A result that is too large for an answer, from where the server keeps it. */
import { JobError } from '../job/errors.ts';
import type { Json } from '../job/json.ts';
import { errorIn, parseBody, type JobState } from './answers.ts';
import type { WaitOptions } from './wait.ts';

const DOWNLOAD_MS = 120_000;

/** @throws JobError RESULT_UNREACHABLE when it cannot be had; the job itself is completed */
export async function resultByLink(
  { job_id: id }: JobState,
  url: string,
  { fetch: get = fetch, token, signal }: WaitOptions,
): Promise<Json> {
  const limit = AbortSignal.timeout(DOWNLOAD_MS);
  try {
    const response = await get(url, {
      headers: {
        accept: 'application/json',
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      // A token is for this address alone.
      redirect: 'error',
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
    const text = await response.text();
    if (response.ok) return JSON.parse(text) as Json;
    throw errorIn(parseBody(text)?.['error']) ?? new Error(`HTTP ${response.status}`);
  } catch (cause) {
    signal?.throwIfAborted();
    throw new JobError('RESULT_UNREACHABLE', {
      message: `The job ${id} is completed, but its result could not be fetched from ${url}: ${cause instanceof Error ? cause.message : String(cause)}.`,
      remediation:
        'Give `token` (or a `fetch` that is allowed to), and call resumeJob with the id.',
      context: { retryable: true, job_id: id, result_url: url },
      cause,
    });
  }
}
