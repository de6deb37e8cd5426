import { Command } from 'commander';
import type { Identify } from '../../http.ts';
import type { ServingStdio } from '../../http/stdio.ts';
import type { Logger } from '../../job/log.ts';
import type { Store } from '../../store/store.ts';
import { addApplicationOptions, type ApplicationOptions } from '../application-options.ts';
import type { Application } from '../application.ts';
import { takeSecret } from '../environment.ts';
import { CliError, EXIT, EXIT_CODES_HELP, localError } from '../exit.ts';
import type { LogLevel } from '../log-level.ts';
import { dbOption, jsonOption } from '../options.ts';
import { onStopSignals, stopAndExit } from '../shutdown.ts';
import { takeStdout } from '../stdout.ts';
import { maxOutstandingOption, publicUrlOption, workOptions } from './start.ts';

interface StdioCommandOptions extends ApplicationOptions {
  readonly publicUrl?: string;
  readonly workers: number;
  readonly concurrency: number;
  readonly maxRunningPerTeam: number;
  readonly leaseSeconds: number;
  readonly retentionDays: number;
  readonly maxOutstanding: number;
  readonly logLevel: LogLevel;
}

const DAY_MS = 86_400_000;
const GONE = 'end of the connection';

export function stdioCommand(): Command {
  const command = new Command('stdio')
    .description('serve MCP over stdin and stdout, to a host that starts this command')
    .addOption(dbOption())
    .addOption(publicUrlOption());
  for (const option of workOptions()) command.addOption(option);
  return addApplicationOptions(command.addOption(maxOutstandingOption()))
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
It serves whoever MCP_ASYNC_JOBS_TOKEN belongs to; without a token the only owner of the database,
or on a database without tokens the owner "local". It ends when stdin ends, and so do its workers;
what they ran is handed back. stdout carries the protocol alone, the log goes to stderr. Several of
these and an HTTP server may share one file; --workers 0 leaves the work to the others.

Examples:
  mcp-async-jobs stdio --db jobs.db --jobs ./jobs.ts
  claude mcp add my-jobs -- npx mcp-async-jobs stdio --db /path/jobs.db --jobs /path/jobs.ts
${EXIT_CODES_HELP}`,
    )
    .action(stdio);
}

async function stdio(options: StdioCommandOptions): Promise<void> {
  const stopping = onStopSignals();
  const token = takeSecret('MCP_ASYNC_JOBS_TOKEN');
  // Before anything of the application is loaded: what it prints must not reach the host.
  const output = takeStdout();
  const [{ openLog }, { openApplication }] = await Promise.all([
    import('../log.ts'),
    import('../application.ts'),
  ]);
  const log = openLog(options.logLevel);
  const application = await openApplication(options, { log, isGuest: true });
  let serving: ServingStdio;
  try {
    const identify = await whoIsServed(application.store, token);
    serving = await serve(options, application, { identify, log, output });
  } catch (error) {
    await application.store.close();
    throw localError(error, options.db);
  }
  const reason = await Promise.race([stopping.asked, serving.ended.then(() => GONE)]);
  log.info({ reason }, 'stopping');
  await stopAndExit(async (graceMs) => {
    // A host that has gone waits for nothing.
    await serving.close(reason === GONE ? 0 : graceMs);
    await application.store.close();
  }, log);
}

async function serve(
  options: StdioCommandOptions,
  { store, definitions, parts }: Application,
  own: {
    readonly identify: Identify;
    readonly log: Logger;
    readonly output: NodeJS.WritableStream;
  },
): Promise<ServingStdio> {
  const { startStdio } = await import('../../http/stdio.ts');
  const { publicUrl, workers, concurrency, maxOutstanding, maxRunningPerTeam } = options;
  return startStdio({
    ...parts,
    ...own,
    output: own.output as NodeJS.WriteStream,
    input: process.stdin,
    db: store,
    definitions,
    ...(publicUrl !== undefined && { publicUrl }),
    workers,
    concurrency,
    maxOutstanding,
    maxRunningPerTeam,
    leaseMs: options.leaseSeconds * 1_000,
    retentionMs: options.retentionDays * DAY_MS,
  });
}

/** The owner of the token, or the only owner that there is. */
async function whoIsServed(store: Store, token: string | undefined): Promise<Identify> {
  if (token !== undefined) return ofToken(store, token);
  const { allTokens } = await import('../../team/mint.ts');
  const owners = new Map(
    (await allTokens(store)).map((one) => [`${one.team_id} ${one.owner_id}`, one]),
  );
  if (owners.size > 1) {
    throw new CliError('NO_OWNER', `The database has ${owners.size} owners; whom to serve?`, {
      remediation:
        'Set MCP_ASYNC_JOBS_TOKEN to a token of the owner (mcp-async-jobs token create).',
      exitCode: EXIT.auth,
    });
  }
  const [only] = owners.values();
  const who = { team: only?.team_id ?? 'local', owner: only?.owner_id ?? 'local' };
  return () => ({ ...who, abilities: ['*'] });
}

async function ofToken(store: Store, token: string): Promise<Identify> {
  const [{ tokens }, { authorization }] = await Promise.all([
    import('../../http.ts'),
    import('../connect.ts'),
  ]);
  const environment = token.startsWith('mpt_test_') ? 'test' : 'live';
  const identify = tokens(store, { environment });
  const asked = new Request('http://stdio.invalid/', { headers: authorization(token) });
  if ((await identify(asked)) === null) {
    throw new CliError(
      'AUTHENTICATION_REQUIRED',
      'The token in MCP_ASYNC_JOBS_TOKEN is not valid.',
      {
        remediation: 'Make one with: mcp-async-jobs token create.',
        exitCode: EXIT.auth,
      },
    );
  }
  return async () => identify(asked);
}
