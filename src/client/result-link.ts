/** A result that is too large for an answer, from where the server keeps it. */
import { JobError } from '../job/errors.ts';
import type { Json } from '../job/json.ts';
import { errorIn, isBody, parseBody, type JobState } from './answers.ts';
import type { ToolCaller } from './surface.ts';
import type { WaitOptions } from './wait.ts';

const DOWNLOAD_MS = 120_000;

/** The result of a completed job, wherever it is. */
export async function resultOf(
  client: ToolCaller,
  state: JobState,
  options: WaitOptions,
): Promise<Json> {
  const { result = null, result_uri: uri, result_url: url } = state;
  if (result !== null) return result;
  const isByUrl = options.token !== undefined || options.fetch !== undefined;
  if (typeof uri === 'string' && client.readResource !== undefined && !isByUrl) {
    const read = await readLink(state, uri, async () => {
      const { contents } = (await client.readResource?.({ uri }, limitsOf(options))) ?? {};
      const [first] = contents ?? [];
      return first !== undefined && 'text' in first ? first.text : 'null';
    });
    // Like a tool's answer: the result is the `data` of what is read.
    return isBody(read) ? (read['data'] ?? read) : read;
  }
  return typeof url === 'string'
    ? readLink(state, url, async () => download(url, options))
    : result;
}

function limitsOf({ signal }: WaitOptions): { timeout: number; signal?: AbortSignal } {
  return { timeout: DOWNLOAD_MS, ...(signal && { signal }) };
}

async function download(url: string, options: WaitOptions): Promise<string> {
  const { fetch: get = fetch, token, signal } = options;
  const limit = AbortSignal.timeout(DOWNLOAD_MS);
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
  if (response.ok) return text;
  throw errorIn(parseBody(text)?.['error']) ?? new Error(`HTTP ${response.status}`);
}

/** @throws JobError RESULT_UNREACHABLE when it cannot be had; the job itself is completed */
async function readLink(
  { job_id: id }: JobState,
  link: string,
  read: () => Promise<string>,
): Promise<Json> {
  try {
    return JSON.parse(await read()) as Json;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new JobError('RESULT_UNREACHABLE', {
      message: `The job ${id} is completed, but its result could not be read from ${link}: ${why}`,
      remediation:
        'Call resumeJob with the id again; give `token`, or a `fetch` that sends one, where the server asks for it.',
      context: { retryable: true, job_id: id, result_link: link },
      cause,
    });
  }
}
