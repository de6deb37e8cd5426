/**
 * The second half of the demo, in a process of its own: all it knows of the first half is the file
 * of stored ids. It waits for the jobs, downloads what they made, and says what it found.
 */
import { readFileSync } from 'node:fs';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { parse } from 'csv-parse/sync';
import { resumeJob, type JobState } from '../src/client.ts';

export interface Found {
  readonly jobs: readonly JobState[];
  /** Codes in each file. */
  readonly codes: readonly (readonly string[])[];
}

const WAIT_MS = 15_000;

const [file = ''] = process.argv.slice(2);
const { url, token, ids } = JSON.parse(readFileSync(file, 'utf8')) as {
  readonly url: string;
  readonly token: string;
  readonly ids: readonly string[];
};
const headers = { authorization: `Bearer ${token}` };

const client = new Client(
  { name: 'demo-reconnect', version: '1' },
  { versionNegotiation: { mode: 'auto' } },
);
await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
const jobs = await Promise.all(ids.map(finalState));
const codes = await Promise.all(jobs.map(download));
await client.close();
process.stdout.write(`${JSON.stringify({ jobs, codes } satisfies Found)}\n`);

async function finalState(id: string): Promise<JobState> {
  let last: JobState | null = null;
  await resumeJob(client, id, { timeoutMs: WAIT_MS, onStatus: (state) => (last = state) });
  return last ?? { job_id: id, status: 'queued' };
}

async function download(job: JobState): Promise<string[]> {
  const { download_url: address } = job.result as { readonly download_url: string };
  const response = await fetch(address, { headers });
  if (!response.ok) throw new Error(`${address} answered ${response.status}.`);
  const rows = parse<{ readonly code: string }>(await response.text(), { columns: true });
  return rows.map(({ code }) => code);
}
