import { Command } from 'commander';
import type { Migrations, NamespaceStatus } from '../../store/migrations.ts';
import { forgetDatabaseAddress, shownDatabase } from '../database-address.ts';
import { EXIT_CODES_HELP, localError } from '../exit.ts';
import { migrateDatabase, planForDatabase, statusOfDatabase } from '../migrating.ts';
import { dbOption, jobsOption, jsonOption } from '../options.ts';
import { printJson, printLine, say } from '../output.ts';

interface MigrateOptions {
  readonly db: string;
  readonly jobs?: string;
  readonly json?: boolean;
}

const HELP = `
Run \`apply\` before the servers of a new version start, and start those with --no-migrate. It may
run beside working servers and workers, several times at once, and again after having been stopped.

Examples:
  mcp-async-jobs migrate plan
  DATABASE_URL=postgres://jobs@db.example.com/jobs mcp-async-jobs migrate apply --json
${EXIT_CODES_HELP}`;

export function migrateCommand(): Command {
  const command = new Command('migrate').description('bring the tables of the database up to date');
  const verbs = [
    ['plan', 'print what apply would do; changes nothing', plan],
    ['apply', 'do what is missing', apply],
    ['status', 'print how far the tables are; changes nothing', status],
  ] as const;
  for (const [name, description, action] of verbs) {
    command
      .command(name)
      .description(description)
      .addOption(dbOption())
      .addOption(jobsOption())
      .addOption(jsonOption())
      .addHelpText('after', HELP)
      .action(action);
  }
  return command;
}

async function plan(options: MigrateOptions): Promise<void> {
  const steps = await atTheDatabase(options, planForDatabase);
  if (options.json === true) return printJson({ data: steps }, true);
  for (const { namespace, version, sql } of steps) {
    printLine(`-- ${namespace} ${version}`);
    printLine(sql === null ? '-- made by pg-boss' : `${sql.trim()};`);
  }
  if (steps.length === 0) say(`${shownDatabase(options.db)} is up to date.`);
}

async function apply(options: MigrateOptions): Promise<void> {
  const found = await atTheDatabase(options, migrateDatabase);
  if (options.json === true) return printJson({ data: found }, true);
  say(`${shownDatabase(options.db)} is up to date.`);
}

async function status(options: MigrateOptions): Promise<void> {
  const found = await atTheDatabase(options, statusOfDatabase);
  if (options.json === true) return printJson({ data: found }, true);
  const { table } = await import('../table.ts');
  const rows = found.map((one) => [
    one.namespace,
    String(one.found),
    String(one.wanted),
    stateOf(one),
  ]);
  printLine(table(['tables', 'version', 'wanted', 'state'], rows));
}

function stateOf({ found, wanted, compatible }: NamespaceStatus): string {
  if (found === wanted) return 'up to date';
  if (found < wanted) return 'behind';
  return compatible ? 'newer, and this program may run' : 'newer than this program';
}

async function atTheDatabase<T>(
  { db, jobs }: MigrateOptions,
  work: (db: string, migrations: readonly Migrations[]) => Promise<T>,
): Promise<T> {
  const { ACCESS_CODE_MIGRATIONS } = await import('../../access-codes/sqlite/migrations.ts');
  forgetDatabaseAddress();
  try {
    return await work(db, jobs === undefined ? [ACCESS_CODE_MIGRATIONS] : []);
  } catch (error) {
    throw localError(error, db);
  }
}
