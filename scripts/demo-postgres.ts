/**
 * `npm run demo -- --postgres`: the same promise on many machines.
 *
 * A real PostgreSQL, two servers behind a round-robin and three workers, each a process of its own;
 * the official clients of both generations submit 20 batches of 250 codes. In the middle of it a
 * server and a worker are killed; the others finish, and what was on its way is sent again. Exits with 1 when a code is missing or doubled.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import {
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernTransport,
} from '@modelcontextprotocol/client';
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as OldTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { parse } from 'csv-parse/sync';
import { resumeJob, type Body, type JobState } from '../src/client.ts';
import { cli, running, type Running } from './cli-process.ts';
import { startPostgres } from './postgres/server.ts';
import { roundRobin } from './round-robin.ts';

const SERVERS = 2;
const WORKERS = 3;
const BATCHES = 20;
const QUANTITY = 250;
/** How long a moment with a job running is looked for. */
const CATCH_MS = 10_000;
const WAIT_MS = 60_000;

type Tool = { readonly name: string; readonly arguments: Record<string, unknown> };
/** What any tool of the demo answers with. */
type Data = JobState & { readonly id: string };
type Call = (tool: Tool) => Promise<Data>;

const asJson = process.argv.includes('--json');
const say = (text: string): void => {
  (asJson ? process.stderr : process.stdout).write(`${text}\n`);
};

const folder = mkdtempSync(join(tmpdir(), 'mcp-async-jobs-demo-'));
/** Everything that has to be ended, however the demo ends; the last comes first. */
const undo: (() => Promise<unknown>)[] = [async () => rmSync(folder, { recursive: true })];
const commands: Running[] = [];

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void cleanUp().then(() => process.exit(1)));
}
try {
  await demo();
} catch (error) {
  process.exitCode = 1;
  say(`The demo failed: ${error instanceof Error ? error.message : String(error)}`);
  for (const { log } of commands) say(log().split('\n').slice(-5).join('\n'));
} finally {
  await cleanUp();
}

async function demo(): Promise<void> {
  const { proxy, token, servers, workers } = await startAll();
  const url = `${proxy.url}/mcp`;
  const [modern, old] = [await connectModern(url, token), await connectOld(url, token)];
  const calls: readonly [Call, Call] = [callsOf(modern), callsOf(old)];
  const submitting = submit(calls);
  const { open, seen } = await catchInTheMiddle(calls[0]);
  const [server, worker] = [servers[0], workers[0]];
  const killed = await Promise.all([server?.kill(), worker?.kill()]);
  say(`kill -9 of a server and a worker (processes ${killed.flat().join(', ')}) while ${seen}.`);
  const ids = await submitting;
  say(`Submitted ${BATCHES} batches of ${QUANTITY} codes, half by the v2 client, half by v1.`);

  const jobs = await Promise.all(
    ids.map(async (id, index) =>
      index % 2 === 0 ? resumed(modern, id) : polled(calls[1], id, performance.now() + WAIT_MS),
    ),
  );
  const codes = await Promise.all(jobs.map((job) => download(job, token)));
  say(`Requests answered: ${[...proxy.answered.values()].join(' and ')}.`);
  report({ jobs, codes, open });
  for (const client of [modern, old]) await client.close();
  for (const one of [...servers.slice(1), ...workers.slice(1)]) {
    const code = await one.stop();
    if (code !== 0) throw new Error(`A process ended with ${code} when asked to stop.`);
  }
}

async function startAll() {
  const postgres = await startPostgres();
  undo.push(() => postgres.stop());
  const env = { DATABASE_URL: postgres.url('postgres') };
  const migrated = await cli(['migrate', 'apply'], { env });
  if (migrated.code !== 0) throw new Error(migrated.stderr);
  const granted = ['--team', 'Demo', '--owner', 'demo', '--ability', '*', '--json'];
  const made = await cli(['token', 'create', ...granted], { env });
  if (made.code !== 0) throw new Error(made.stderr);
  const { token } = JSON.parse(made.stdout) as { readonly token: string };

  const proxy = await roundRobin();
  undo.push(() => proxy.close());
  const common = ['--no-migrate', '--key-file', join(folder, 'codes.key'), '--json'];
  const start = async (args: readonly string[]): Promise<Running> => {
    const command = await running([...args, ...common], { env });
    commands.push(command);
    undo.push(() => command.kill());
    return command;
  };
  const server = ['start', '--port', '0', '--workers', '0', '--rate-limit', '0'];
  const servers: Running[] = [];
  for (let i = 0; i < SERVERS; i += 1) {
    servers.push(await start([...server, '--public-url', proxy.url]));
  }
  proxy.to(servers.map(({ url }) => new URL(url).origin));
  const workers = await Promise.all(
    Array.from({ length: WORKERS }, () => start(['worker', '--lease-seconds', '5'])),
  );
  say(
    `PostgreSQL, ${SERVERS} servers behind a round-robin and ${WORKERS} workers run, each a process of its own.`,
  );
  return { proxy, token, servers, workers };
}

function headersOf(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}

async function connectModern(url: string, token: string): Promise<ModernClient> {
  const info = { name: 'demo-v2', version: '1' };
  const client = new ModernClient(info, { versionNegotiation: { mode: 'auto' } });
  const requestInit = { headers: headersOf(token) };
  await client.connect(new ModernTransport(new URL(url), { requestInit }));
  return client;
}

async function connectOld(url: string, token: string): Promise<OldClient> {
  const client = new OldClient({ name: 'demo-v1', version: '1' });
  const requestInit = { headers: headersOf(token) };
  const transport: Transport = new OldTransport(new URL(url), { requestInit });
  await client.connect(transport);
  return client;
}

function callsOf(client: ModernClient | OldClient): Call {
  return async (tool) => {
    const { isError, structuredContent } = await (client as ModernClient).callTool(tool);
    const body = structuredContent as Body;
    if (isError === true) throw new Error(`${tool.name}: ${JSON.stringify(body)}`);
    return body['data'] as unknown as Data;
  };
}

async function submit([modern, old]: readonly [Call, Call]): Promise<string[]> {
  const project = await modern({ name: 'create_project', arguments: { name: 'Demo project' } });
  const plan = await old({
    name: 'create_plan',
    arguments: {
      project_id: project.id,
      name: 'Monthly membership',
      price: '29.00',
      currency: 'USD',
      billing_cycle: 'months',
      billing_cycle_count: 1,
    },
  });
  const batch = { plan_id: plan.id, quantity: QUANTITY, export_type: 'file' };
  const calls = Array.from({ length: BATCHES }, (_, i) =>
    submitOnce(i % 2 === 0 ? modern : old, {
      name: 'bulk_generate_access_codes',
      arguments: { ...batch, expiry_preset: 'no_expiry', idempotency_key: `demo-batch-${i}` },
    }),
  );
  return (await Promise.all(calls)).map((job) => job.job_id);
}

/** Repeats a call that was on its way to a server that was killed; its key makes it one job. */
async function submitOnce(call: Call, tool: Tool): Promise<Data> {
  for (const giveUpAt = performance.now() + WAIT_MS; ;) {
    try {
      return await call(tool);
    } catch (error) {
      if (performance.now() > giveUpAt) throw error;
    }
    await pause(250);
  }
}

/** Looks until the servers say that a job is running. */
async function catchInTheMiddle(call: Call) {
  const until = performance.now() + CATCH_MS;
  while (performance.now() < until) {
    const data = await call({ name: 'list_jobs', arguments: { limit: 100 } });
    const jobs = data as unknown as JobState[];
    const count = (status: string) => jobs.filter((job) => job.status === status).length;
    const open = jobs.filter(({ status }) => status !== 'completed').map((job) => job.job_id);
    if (count('running') > 0) {
      const seen = `${jobs.length} batches are there: ${count('completed')} completed, ${count('running')} running, ${count('queued')} queued`;
      return { open, seen };
    }
  }
  throw new Error('No moment was seen with a job running.');
}

/** The v2 client waits by the package's own function, which outlives a server. */
async function resumed(client: ModernClient, id: string): Promise<JobState> {
  let last: JobState | null = null;
  await resumeJob(client, id, { timeoutMs: WAIT_MS, onStatus: (state) => (last = state) });
  return last ?? { job_id: id, status: 'queued' };
}

/** The v1 client asks again and again, as any client may. */
async function polled(call: Call, id: string, giveUpAt: number): Promise<JobState> {
  for (;;) {
    try {
      const job = await call({ name: 'get_job_status', arguments: { job_id: id } });
      if (['completed', 'failed'].includes(job.status)) return job;
    } catch (error) {
      // A request may have been on its way to the server that was killed.
      if (performance.now() > giveUpAt) throw error;
    }
    if (performance.now() > giveUpAt) throw new Error(`${id} has not ended.`);
    await pause(250);
  }
}

async function download(job: JobState, token: string): Promise<string[]> {
  const { download_url: address } = job.result as { readonly download_url: string };
  const response = await fetch(address, { headers: headersOf(token) });
  if (!response.ok) throw new Error(`${address} answered ${response.status}.`);
  const rows = parse<{ readonly code: string }>(await response.text(), { columns: true });
  return rows.map(({ code }) => code);
}

interface Outcome {
  readonly jobs: readonly JobState[];
  readonly codes: readonly (readonly string[])[];
  readonly open: readonly string[];
}

function report({ jobs, codes, open }: Outcome): void {
  for (const { job_id: id, status, runs } of jobs) {
    const how = open.includes(id) ? 'open at the kill' : 'done before the kill';
    say(`  ${id}  ${status}, ${JSON.stringify(runs)} run(s), ${how}`);
  }
  const distinct = new Set(codes.flat()).size;
  const completed = jobs.filter(({ status }) => status === 'completed');
  const recovered = completed.filter(({ job_id: id }) => open.includes(id)).length;
  say(`${distinct} distinct codes in ${codes.length} files; ${recovered} jobs recovered.`);
  if (asJson) {
    const rows = jobs.map(({ job_id, status, runs, result }) => ({ job_id, status, runs, result }));
    process.stdout.write(`${JSON.stringify({ jobs: rows, codes: distinct, recovered })}\n`);
  }
  const isWhole = codes.length === BATCHES && codes.every(({ length }) => length === QUANTITY);
  if (!isWhole || distinct !== BATCHES * QUANTITY) throw new Error('Codes are missing or doubled.');
  if (completed.length !== BATCHES) throw new Error('Not every job was completed.');
  if (recovered === 0) throw new Error('No job was recovered.');
}

async function cleanUp(): Promise<void> {
  for (const step of undo.splice(0).toReversed()) await step();
}
