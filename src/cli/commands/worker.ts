import { setTimeout as pause } from 'node:timers/promises';
import { Command } from 'commander';
import type { Supervision } from '../../worker/supervise.ts';
import { addApplicationOptions, type ApplicationOptions } from '../application-options.ts';
import { shownDatabase } from '../database-address.ts';
import { EXIT_CODES_HELP } from '../exit.ts';
import type { LogLevel } from '../log-level.ts';
import { dbOption, jsonOption } from '../options.ts';
import { printJson, printLine } from '../output.ts';
import { onStopSignals, stopAndExit } from '../shutdown.ts';
import { workOptions } from './start.ts';

interface WorkerOptions extends ApplicationOptions {
  readonly workers: number;
  readonly concurrency: number;
  readonly maxRunningPerTeam: number;
  readonly leaseSeconds: number;
  readonly retentionDays: number;
  readonly logLevel: LogLevel;
  readonly json?: boolean;
}

const DAY_MS = 86_400_000;
const READY_LOOK_MS = 20;

export function workerCommand(): Command {
  const command = new Command('worker')
    .description('run workers beside a server that has the same database')
    .addOption(dbOption());
  for (const option of workOptions(1)) command.addOption(option);
  return addApplicationOptions(command)
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
With --json a line {"event":"ready",...} on stdout says that the workers take jobs. The log goes
to stderr. SIGTERM or SIGINT stops it within 10 s; a second one at once.

Examples:
  mcp-async-jobs worker --db /var/lib/jobs.db --workers 4
  mcp-async-jobs worker --jobs ./jobs.ts --concurrency 10 --json
${EXIT_CODES_HELP}`,
    )
    .action(work);
}

async function work(options: WorkerOptions): Promise<void> {
  const stopping = onStopSignals();
  const [{ openLog }, { openApplication }, { supervise, startSweeper }] = await Promise.all([
    import('../log.ts'),
    import('../application.ts'),
    import('../../worker.ts'),
  ]);
  const log = openLog(options.logLevel);
  const application = await openApplication(options, { log, isGuest: true });
  const { store, definitions, parts } = application;
  const { workers, concurrency, maxRunningPerTeam } = options;
  const supervision = supervise({
    store,
    jobs: parts.jobs,
    definitions,
    settings: parts.settings,
    workers,
    concurrency,
    maxRunningPerTeam,
    leaseMs: options.leaseSeconds * 1_000,
    log,
  });
  const stopSweeper = startSweeper({ store, retentionMs: options.retentionDays * DAY_MS, log });
  await ready(supervision, workers, stopping.signal);
  if (!stopping.signal.aborted) announce(options, supervision);
  const signal = await stopping.asked;
  log.info({ signal }, 'stopping');
  await stopAndExit(async (graceMs) => {
    await supervision.stop(graceMs);
    await stopSweeper();
    await store.close();
  }, log);
}

/** Until every worker takes jobs, or the process is asked to stop. */
async function ready(supervision: Supervision, workers: number, stop: AbortSignal): Promise<void> {
  while (supervision.alive() < workers && !stop.aborted) await pause(READY_LOOK_MS);
}

function announce(options: WorkerOptions, supervision: Supervision): void {
  const { workers, json } = options;
  const db = shownDatabase(options.db);
  const { pid } = process;
  if (json === true) {
    return printJson({ event: 'ready', pid, db, workers, worker_pids: supervision.pids() }, true);
  }
  printLine(`${workers} worker${workers === 1 ? '' : 's'} on ${db}. Stop with Ctrl-C.`);
}
