import { Command, Option } from 'commander';
import { isPostgres } from '../database-address.ts';
import type { Finding } from '../doctor/finding.ts';
import { takeSecret } from '../environment.ts';
import { CliError, EXIT_CODES_HELP } from '../exit.ts';
import { dbOption, jsonOption, numberOption, urlOption } from '../options.ts';
import { printJson, printLine } from '../output.ts';

interface DoctorOptions {
  readonly db: string;
  readonly keyFile?: string;
  readonly retentionDays: number;
  readonly url?: string;
  readonly token?: string;
  readonly json?: boolean;
}

const DAY_MS = 86_400_000;
const MARKS = { ok: 'ok', warning: 'warning', error: 'ERROR' } as const;

export function doctorCommand(): Command {
  const url = urlOption();
  // Without it a server is started for the round trip, so there is no address to fall back to.
  url.defaultValue = undefined;
  return new Command('doctor')
    .description('check this machine, a database and a server, and say what to do')
    .addOption(dbOption())
    .addOption(new Option('--key-file <file>', 'key of the codes (default: <db>.key)'))
    .addOption(
      numberOption('--retention-days <n>', 'how long ended jobs are kept there', {
        min: 1,
        max: 3_650,
        unit: 'days',
        fallback: 30,
      }),
    )
    .addOption(url)
    .addOption(new Option('--token <token>', 'who calls it').env('MCP_ASYNC_JOBS_TOKEN'))
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
It only reads the database. On PostgreSQL it also looks at settings, clock, connections and standbys
of the server. With --url and --token the round trip goes to that server; else one is
started on a database that is thrown away. It ends with 1 when there is an error, and with 0 when
there are none but warnings.

Examples:
  mcp-async-jobs doctor --db club.db
  mcp-async-jobs doctor --db club.db --url http://127.0.0.1:3000 --json
${EXIT_CODES_HELP}`,
    )
    .action(doctor);
}

async function doctor(options: DoctorOptions): Promise<void> {
  const { url, token } = options;
  takeSecret('MCP_ASYNC_JOBS_TOKEN');
  takeSecret('MCP_ASYNC_JOBS_KEY');
  const [databaseFindings, { checkOwnServer, checkServer }, { ok }] = await Promise.all([
    findingsOf(options),
    import('../doctor/round-trip.ts'),
    import('../doctor/finding.ts'),
  ]);
  const { node, sqlite } = process.versions;
  const findings = [
    ok('runtime', `Node ${node} with SQLite ${sqlite} on ${process.platform} ${process.arch}.`),
    ...databaseFindings,
    ...(await (url === undefined
      ? checkOwnServer()
      : checkServer({ url, ...(token !== undefined && { token }) }))),
  ];
  const errors = findings.filter(({ level }) => level === 'error').length;
  if (options.json === true) printJson({ ok: errors === 0, findings }, true);
  else for (const finding of findings) printLine(lineOf(finding));
  if (errors === 0) return;
  throw new CliError('DOCTOR', `${errors} of ${findings.length} checks found an error.`, {
    remediation: 'Do what stands beside each, and run doctor again.',
  });
}

async function findingsOf({ db, keyFile, retentionDays }: DoctorOptions): Promise<Finding[]> {
  const retentionMs = retentionDays * DAY_MS;
  if (isPostgres(db)) {
    const { checkPostgres } = await import('../doctor/postgres.ts');
    return checkPostgres({ db, retentionMs });
  }
  const { checkDatabase } = await import('../doctor/database.ts');
  return checkDatabase({ db, keyFile: keyFile ?? `${db}.key`, retentionMs });
}

function lineOf({ check, level, message, fix }: Finding): string {
  const line = `${MARKS[level].padEnd(7)}  ${check.padEnd(11)}  ${message}`;
  return fix === undefined ? line : `${line}\n${' '.repeat(22)}→ ${fix}`;
}
