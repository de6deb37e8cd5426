import { Command, InvalidArgumentError, Option } from 'commander';
import type { ServeOptions, Serving } from '../../http.ts';
import type { Logger } from '../../job/log.ts';
import { addApplicationOptions, type ApplicationOptions } from '../application-options.ts';
import type { Application } from '../application.ts';
import { shownDatabase } from '../database-address.ts';
import { CliError, EXIT_CODES_HELP } from '../exit.ts';
import { LEASE_MS } from '../../job/job.ts';
import { LOG_LEVELS, type LogLevel } from '../log-level.ts';
import { dbOption, httpUrl, jsonOption, listOption, numberOption } from '../options.ts';
import { printJson, printLine } from '../output.ts';
import { onStopSignals, stopAndExit } from '../shutdown.ts';

interface StartOptions extends ApplicationOptions {
  readonly host: string;
  readonly port: number;
  readonly publicUrl?: string;
  readonly allowHost?: readonly string[];
  readonly allowOrigin?: readonly string[];
  readonly trustProxy?: boolean;
  readonly test?: boolean;
  readonly workers: number;
  readonly concurrency: number;
  readonly maxRunningPerTeam: number;
  readonly leaseSeconds: number;
  readonly rateLimit: number;
  readonly maxOutstanding: number;
  readonly idempotencyHours: number;
  readonly retentionDays: number;
  readonly logLevel: LogLevel;
  readonly json?: boolean;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

export function startCommand(): Command {
  const command = new Command('start')
    .description('serve MCP, and supervise workers')
    .addOption(dbOption());
  for (const option of [...addressOptions(), ...workOptions(), ...limitOptions()]) {
    command.addOption(option);
  }
  return addApplicationOptions(command)
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
The first line on stdout says where it listens; with --json it is
  {"event":"listening","url":"http://127.0.0.1:3000/mcp",...}
The log goes to stderr, one line per event. SIGTERM or SIGINT stops it within 10 s; a second
one at once.

Examples:
  mcp-async-jobs start
  mcp-async-jobs start --db /var/lib/jobs.db --port 8080 --public-url https://jobs.example.com
  mcp-async-jobs start --jobs ./jobs.ts --workers 4 --json
  DATABASE_URL=postgres://jobs@db.example.com/jobs mcp-async-jobs start --key-file codes.key

On PostgreSQL any number of these and of \`worker\`, on any machines, share the work. Each has at most
--connections connections and one that listens, for itself and all of its workers; max_connections
of the server must allow the sum. A statement ends after 10 s there, a wait for a lock after 5 s, a
transaction that stands still after 5 s; a lost connection is tried again for 10 s, then calls are
answered with STORE_BUSY.

The jobs of a machine that falls silent are begun elsewhere within --lease-seconds and 2 s.
${EXIT_CODES_HELP}`,
    )
    .action(start);
}

function addressOptions(): Option[] {
  return [
    new Option('--host <address>', 'address to listen on').default('127.0.0.1'),
    numberOption('--port <n>', 'port to listen on; 0 takes a free one', {
      min: 0,
      max: 65_535,
      fallback: 3_000,
    }),
    publicUrlOption('; default http://host:port'),
    listOption('--allow-host <name>', 'a further Host that is answered; may be repeated'),
    listOption('--allow-origin <origin>', 'a further Origin that is answered; may be repeated'),
    new Option('--trust-proxy', 'take the address of a client from X-Forwarded-For'),
    new Option('--test', 'accept tokens of the test environment (mpt_test_...), and no others'),
  ];
}

export const publicUrlOption = (fallback = ''): Option =>
  new Option('--public-url <url>', `absolute address that clients use${fallback}`).argParser(
    publicUrl,
  );

/** Options of everything that runs workers. */
export function workOptions(workersMin = 0): Option[] {
  return [
    numberOption('--workers <n>', 'worker processes', { min: workersMin, max: 64, fallback: 1 }),
    numberOption('--concurrency <n>', 'jobs at once in each worker', {
      min: 1,
      max: 1_000,
      fallback: 1,
    }),
    numberOption(
      '--max-running-per-team <n>',
      'running jobs of a team, over all workers of the database; 0 is off',
      { min: 0, max: 10_000, fallback: 0 },
    ),
    numberOption('--lease-seconds <n>', 'how long a silent worker keeps its jobs', {
      min: 1,
      max: 3_600,
      unit: 's',
      fallback: LEASE_MS / 1_000,
    }),
    numberOption('--retention-days <n>', 'how long ended jobs are kept', {
      min: 1,
      max: 3_650,
      unit: 'days',
      fallback: 30,
    }),
    new Option('--log-level <level>', 'least level of the log on stderr')
      .choices(LOG_LEVELS)
      .env('MCP_ASYNC_JOBS_LOG_LEVEL')
      .default('info'),
  ];
}

function limitOptions(): Option[] {
  return [
    numberOption('--rate-limit <n>', 'requests a minute of a token; 0 is off', {
      min: 0,
      max: 1_000_000,
      fallback: 120,
    }),
    maxOutstandingOption(),
    numberOption('--idempotency-hours <n>', 'how long an idempotency key is remembered', {
      min: 1,
      max: 720,
      unit: 'hours',
      fallback: 24,
    }),
  ];
}

export const maxOutstandingOption = (): Option =>
  numberOption('--max-outstanding <n>', 'open jobs of a team; 0 is off', {
    min: 0,
    max: 10_000_000,
    fallback: 1_000,
  });

function publicUrl(text: string): string {
  const { search, hash, href } = httpUrl(text);
  if (search !== '' || hash !== '') throw new InvalidArgumentError('It has a query or a fragment.');
  return href.replace(/\/+$/, '');
}

async function start(options: StartOptions): Promise<void> {
  const stopping = onStopSignals();
  const [{ openLog }, { openApplication }] = await Promise.all([
    import('../log.ts'),
    import('../application.ts'),
  ]);
  const log = openLog(options.logLevel);
  const application = await openApplication(options, { log, isGuest: false });
  const { store } = application;
  let serving: Serving;
  try {
    serving = await listen(options, application, log);
  } catch (error) {
    await store.close();
    const message = error instanceof Error ? error.message : String(error);
    throw new CliError('START_FAILED', message, { remediation: 'Nothing was started.' });
  }
  announce(options, serving);
  const { offerFirstSteps } = await import('../first-steps.ts');
  const offered = offerFirstSteps({ application, url: serving.url, stop: stopping.signal, log });
  const signal = await stopping.asked;
  log.info({ signal }, 'stopping');
  await stopAndExit(async (graceMs) => {
    await serving.close({ graceMs });
    await offered;
    await store.close();
  }, log);
}

async function listen(
  options: StartOptions,
  { store, parts }: Application,
  log: Logger,
): Promise<Serving> {
  const { serve, tokens } = await import('../../http.ts');
  const environment = options.test === true ? 'test' : 'live';
  const { publicUrl: url, allowHost, allowOrigin } = options;
  const given: ServeOptions = {
    ...parts,
    db: store,
    identify: tokens(store, { environment, log }),
    host: options.host,
    port: options.port,
    ...(url !== undefined && { publicUrl: url }),
    ...(allowHost && { allowHosts: allowHost }),
    ...(allowOrigin && { allowOrigins: allowOrigin }),
    trustProxy: options.trustProxy === true,
    rateLimit: options.rateLimit,
    maxOutstanding: options.maxOutstanding,
    idempotencyTtlMs: options.idempotencyHours * HOUR_MS,
    retentionMs: options.retentionDays * DAY_MS,
    workers: options.workers,
    concurrency: options.concurrency,
    maxRunningPerTeam: options.maxRunningPerTeam,
    leaseMs: options.leaseSeconds * 1_000,
    log,
  };
  return serve(given);
}

function announce(options: StartOptions, serving: Serving): void {
  const { url, publicUrl: address } = serving;
  const { workers } = options;
  const db = shownDatabase(options.db);
  const { pid } = process;
  if (options.json === true) {
    const facts = { event: 'listening', url, public_url: address, pid, db, workers };
    return printJson({ ...facts, worker_pids: serving.workerPids() }, true);
  }
  const count = `${workers} worker${workers === 1 ? '' : 's'}`;
  printLine(`Listening on ${url} (database ${db}, ${count}). Stop with Ctrl-C.`);
}
