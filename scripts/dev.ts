/**
 * `npm run dev`: a server on a temporary database, with jobs in every state and tools to make more.
 * `npm run dev -- --port 8080` listens elsewhere. Everything is removed when it ends.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { openApplication } from '../src/cli/application.ts';
import { clientConfigurations } from '../src/cli/client-configurations.ts';
import { openLog } from '../src/cli/log.ts';
import { onStopSignals, stopAndExit } from '../src/cli/shutdown.ts';
import type { Body } from '../src/client.ts';
import { serve, tokens } from '../src/http.ts';
import { newId } from '../src/job/ids.ts';
import { cancel } from '../src/job/transitions.ts';
import type { Store } from '../src/store/store.ts';
import { createToken, type MintedToken } from '../src/team/mint.ts';

const { values } = parseArgs({ options: { port: { type: 'string', default: '3000' } } });

interface Dev {
  readonly store: Store;
  readonly made: MintedToken;
  readonly url: string;
}

/** Of what a tool has made: a job, or something of the application. */
interface Ids {
  readonly id: string;
  readonly job_id: string;
}

dev().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
});

async function dev(): Promise<void> {
  const stopping = onStopSignals();
  const folder = mkdtempSync(join(tmpdir(), 'mcp-async-jobs-dev-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const log = openLog('warn');
  const options = {
    db: join(folder, 'dev.db'),
    maxQuantity: 1_000,
    exportDays: 30,
    allotment: 100_000,
    overagePrice: '0.03',
  };
  const { store, parts } = await openApplication(options, { log, isGuest: false });
  const serving = await serve({
    ...parts,
    jobs: new URL('./dev-jobs.ts', import.meta.url),
    db: store,
    identify: tokens(store, { log }),
    port: Number(values.port),
    rateLimit: 0,
    workers: 2,
    concurrency: 2,
    log,
  });
  const made = await createToken(store, { team: 'Dev', owner: 'dev', abilities: ['*'] });
  const { url } = serving;
  announce({ store, made, url }, await seed({ store, made, url }), folder);
  await stopping.asked;
  // Nothing here is worth waiting for.
  await stopAndExit(async () => {
    await serving.close({ graceMs: 0 });
    await store.close();
  }, log);
}

/** Every job is submitted as any caller would; only the cancel is done at the store. */
async function seed({ store, made, url }: Dev): Promise<string> {
  const client = new Client(
    { name: 'dev', version: '1' },
    { versionNegotiation: { mode: 'auto' } },
  );
  const requestInit = { headers: { authorization: `Bearer ${made.token}` } };
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit }));
  const call = async (name: string, args: Body = {}): Promise<Ids> => {
    const { isError, structuredContent } = await client.callTool({ name, arguments: args });
    if (isError === true) throw new Error(`${name}: ${JSON.stringify(structuredContent)}`);
    return (structuredContent as { readonly data: Ids }).data;
  };
  const project = await call('create_project', { name: 'Dev project' });
  const plan = await call('create_plan', {
    project_id: project.id,
    name: 'Monthly membership',
    price: '29.00',
    currency: 'USD',
    billing_cycle: 'months',
    billing_cycle_count: 1,
  });
  const batch = { plan_id: plan.id, export_type: 'file', expiry_preset: 'no_expiry' };
  await call('bulk_generate_access_codes', { ...batch, quantity: 250 });
  for (const name of ['quick', 'failing', 'flaky', 'slow', 'never_ending', 'nobodys_job']) {
    await call(name);
  }
  const unwanted = await call('nobodys_job');
  const who = { team: made.team_id, owner: made.owner_id, abilities: ['*'] };
  await store.applyAs(unwanted.job_id, who, cancel(newId('req')));
  await client.close();
  return plan.id;
}

function announce({ made, url }: Dev, planId: string, folder: string): void {
  console.log(`Listening on ${url}, with jobs in every state. Stop with Ctrl-C.\n`);
  if (process.stdout.isTTY) {
    console.log(clientConfigurations({ url, token: made.token, planId }));
    return;
  }
  // Not into a log: a file that only its owner can read.
  const file = join(folder, 'token');
  writeFileSync(file, `${made.token}\n`, { mode: 0o600 });
  console.log(`The token of the team is in ${file}`);
}
