/**
 * `npm run demo`: the promise of the product, kept before your eyes.
 *
 * A real server with a worker, the official client, 20 batches of 250 codes. In the middle of it
 * server and worker are killed; after a restart another process, which knows the ids alone, gets
 * every code. Exits with 1 when any of that did not happen. `--json` ends with one object.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import type { Body, JobState } from '../src/client.ts';
import { cli, running, type Running } from './cli-process.ts';
import type { Found } from './demo-reconnect.ts';

const BATCHES = 20;
const QUANTITY = 250;
/** How long a moment with one job running and one queued is looked for. */
const CATCH_MS = 10_000;

const asJson = process.argv.includes('--json');
const say = (text: string): void => {
  (asJson ? process.stderr : process.stdout).write(`${text}\n`);
};

const folder = mkdtempSync(join(tmpdir(), 'mcp-async-jobs-demo-'));
const db = join(folder, 'demo.db');
/** Names of the jobs that were open when everything was killed. */
const open = new Set<string>();
/** What has to be ended, however the demo ends. */
const held: { server: Running | null } = { server: null };

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void cleanUp().then(() => process.exit(1)));
}
try {
  await demo();
} catch (error) {
  process.exitCode = 1;
  say(`The demo failed: ${error instanceof Error ? error.message : String(error)}`);
  if (held.server !== null) say(held.server.log().split('\n').slice(-10).join('\n'));
} finally {
  await cleanUp();
}

async function demo(): Promise<void> {
  const token = await makeToken();
  let server = await start(0);
  say(`A server listens on ${server.url}, with one worker process.`);

  const client = await connect(server.url, token);
  const ids = await submit(client);
  say(`Submitted ${BATCHES} batches of ${QUANTITY} codes; each call gave its job_id at once.`);
  const before = await catchInTheMiddle(client, ids);
  const killed = await server.kill();
  await client.close().catch(() => {});
  say(`kill -9 of server and worker (processes ${killed.join(', ')}), all gone, while ${before}.`);
  if (killed.length < 2) throw new Error('The worker was no process of its own.');

  const stored = join(folder, 'stored.json');
  const { port } = new URL(server.url);
  server = await start(Number(port));
  writeFileSync(stored, JSON.stringify({ url: server.url, token, ids }), { mode: 0o600 });
  say('Restarted. A new process, which knows nothing but the stored ids, asks for the results.');
  report(await reconnect(stored));

  const code = await server.stop();
  if (code !== 0) throw new Error(`The server ended with ${code} when asked to stop.`);
}

async function makeToken(): Promise<string> {
  const args = ['--db', db, '--team', 'Demo', '--owner', 'demo', '--ability', '*', '--json'];
  const { code, stdout, stderr } = await cli(['token', 'create', ...args]);
  if (code !== 0) throw new Error(stderr);
  return (JSON.parse(stdout) as { readonly token: string }).token;
}

async function start(port: number): Promise<Running> {
  const limits = ['--rate-limit', '0', '--workers', '1'];
  const args = ['start', '--db', db, '--port', String(port), ...limits, '--json'];
  const server = await running(args);
  held.server = server;
  return server;
}

async function connect(url: string, token: string): Promise<Client> {
  const client = new Client(
    { name: 'demo', version: '1' },
    { versionNegotiation: { mode: 'auto' } },
  );
  const requestInit = { headers: { authorization: `Bearer ${token}` } };
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit }));
  return client;
}

async function call(client: Client, name: string, args: Body): Promise<Body> {
  const { isError, structuredContent } = await client.callTool({ name, arguments: args });
  if (isError === true) throw new Error(`${name}: ${JSON.stringify(structuredContent)}`);
  return structuredContent as Body;
}

async function submit(client: Client): Promise<string[]> {
  const idOf = (body: Body) => (body['data'] as { readonly id: string }).id;
  const project = idOf(await call(client, 'create_project', { name: 'Demo project' }));
  const plan = await call(client, 'create_plan', {
    project_id: project,
    name: 'Monthly membership',
    price: '29.00',
    currency: 'USD',
    billing_cycle: 'months',
    billing_cycle_count: 1,
  });
  const args = {
    plan_id: idOf(plan),
    quantity: QUANTITY,
    export_type: 'file',
    expiry_preset: 'no_expiry',
  };
  const calls = Array.from({ length: BATCHES }, () =>
    call(client, 'bulk_generate_access_codes', args),
  );
  return (await Promise.all(calls)).map((body) => (body['data'] as unknown as JobState).job_id);
}

/** Looks until the server says that a job is running and another is queued. */
async function catchInTheMiddle(client: Client, ids: readonly string[]): Promise<string> {
  const until = performance.now() + CATCH_MS;
  while (performance.now() < until) {
    const body = await call(client, 'list_jobs', { limit: 100 });
    const jobs = (body['data'] as unknown as JobState[]).filter((job) => ids.includes(job.job_id));
    const count = (status: string) => jobs.filter((job) => job.status === status).length;
    if (count('running') > 0 && count('queued') > 0) {
      for (const job of jobs) if (job.status !== 'completed') open.add(job.job_id);
      return `the server said: ${count('completed')} completed, ${count('running')} running, ${count('queued')} queued`;
    }
    if (count('queued') === 0) break;
  }
  throw new Error('No moment was seen with one job running and one queued.');
}

async function reconnect(stored: string): Promise<Found> {
  const script = fileURLToPath(new URL('demo-reconnect.ts', import.meta.url));
  const args = [...process.execArgv, script, stored];
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    timeout: 20_000,
    killSignal: 'SIGKILL',
    maxBuffer: 16 * 1024 * 1024,
  });
  return JSON.parse(stdout) as Found;
}

function report({ jobs, codes }: Found): void {
  for (const { job_id: id, status, attempts, runs } of jobs) {
    const how = open.has(id) ? 'open at the kill' : 'done before the kill';
    say(
      `  ${id}  ${status}, ${JSON.stringify(runs)} run(s), ${JSON.stringify(attempts)} failed attempt(s), ${how}`,
    );
  }
  const distinct = new Set(codes.flat()).size;
  const completed = jobs.filter(({ status }) => status === 'completed');
  const recovered = completed.filter(({ job_id: id }) => open.has(id)).length;
  say(`${distinct} distinct codes in ${codes.length} files; ${recovered} jobs recovered.`);
  if (asJson) {
    const rows = jobs.map(({ job_id, status, attempts, runs, result }) => ({
      job_id,
      status,
      attempts,
      runs,
      result,
    }));
    process.stdout.write(`${JSON.stringify({ jobs: rows, codes: distinct, recovered })}\n`);
  }
  const isWhole = codes.length === BATCHES && codes.every(({ length }) => length === QUANTITY);
  if (!isWhole || distinct !== BATCHES * QUANTITY) throw new Error('Codes are missing or doubled.');
  if (completed.length !== BATCHES) throw new Error('Not every job was completed.');
  if (recovered === 0) throw new Error('No job was recovered.');
}

async function cleanUp(): Promise<void> {
  await held.server?.kill();
  rmSync(folder, { recursive: true, force: true });
}
