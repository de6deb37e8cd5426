/** A live round trip through `/mcp`, as a client makes it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from '@modelcontextprotocol/client';
import { toolError } from '../../client/answers.ts';
import { callJob } from '../../client/call-job.ts';
import { local, serve } from '../../http.ts';
import { monotonic, now } from '../../job/clock.ts';
import { JobError } from '../../job/errors.ts';
import { neighbourUrl } from '../../job/module-url.ts';
import { withClient, type CallerOptions } from '../connect.ts';
import { error, ok, warning, type Finding } from './finding.ts';

const SKEW_MS = 30_000;
const TRIP_MS = 20_000;

/** With a running server: who this token is to it, and whether its clock agrees with ours. */
export async function checkServer(caller: CallerOptions): Promise<Finding[]> {
  const startedAt = monotonic();
  try {
    const tools = await withClient(caller, async (client) => {
      const answer = await client.callTool({ name: 'list_jobs', arguments: { limit: 1 } });
      if (answer.isError === true) throw toolError('list_jobs', answer);
      return (await client.listTools()).tools.length;
    });
    const message = `${caller.url} answers, with ${tools} tools, in ${monotonic() - startedAt} ms.`;
    return [ok('round trip', message), ...(await checkSkew(caller.url))];
  } catch (thrown) {
    return [notServed(caller.url, thrown)];
  }
}

async function checkSkew(url: string): Promise<Finding[]> {
  const response = await fetch(new URL('/healthz', url), { signal: AbortSignal.timeout(5_000) });
  await response.body?.cancel();
  const at = Date.parse(response.headers.get('date') ?? '');
  const skewMs = Math.abs(at - now());
  if (Number.isNaN(at) || skewMs < SKEW_MS) return [];
  const message = `The clock of the server and that of this machine differ by ${Math.round(skewMs / 1_000)} s.`;
  return [warning('clock', message, 'Let NTP set both clocks.')];
}

/** Without one: a server on a database that is thrown away, and a job through all of it. */
export async function checkOwnServer(): Promise<Finding[]> {
  const folder = mkdtempSync(join(tmpdir(), 'mcp-async-jobs-doctor-'));
  const startedAt = monotonic();
  try {
    const jobs = neighbourUrl(import.meta.url, './jobs');
    const db = join(folder, 'jobs.db');
    const serving = await serve({ jobs, db, identify: local(), port: 0 });
    try {
      const call = async (client: Client) =>
        callJob(client, 'doctor_echo', { text: 'hello' }, { timeoutMs: TRIP_MS });
      await withClient({ url: serving.url }, call);
    } finally {
      await serving.close({ graceMs: 0 });
    }
    const took = monotonic() - startedAt;
    return [ok('round trip', `A job went through a server, a worker and back in ${took} ms.`)];
  } catch (thrown) {
    return [notServed('A server that was started for this', thrown)];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function notServed(who: string, thrown: unknown): Finding {
  const isOurs = thrown instanceof JobError;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const fix = isOurs ? thrown.remediation : 'Correct that, and run doctor again.';
  return error('round trip', `${who} did not serve: ${message}`, fix);
}
