/**
 * The command line as a whole. Each command has a file in commands/.
 */
import { Command } from 'commander';
import { callCommand } from './commands/call.ts';
import { codesCommand } from './commands/codes.ts';
import { doctorCommand } from './commands/doctor.ts';
import { fenceCommand } from './commands/fence.ts';
import { jobsCommand } from './commands/jobs.ts';
import { migrateCommand } from './commands/migrate.ts';
import { startCommand } from './commands/start.ts';
import { stdioCommand } from './commands/stdio.ts';
import { tokenCommand } from './commands/token.ts';
import { watchCommand } from './commands/watch.ts';
import { workerCommand } from './commands/worker.ts';
import { ENVIRONMENT_HELP } from './environment.ts';
import { packageVersion } from './version.ts';
import { EXIT_CODES_HELP } from './exit.ts';

/** Every command with its options, as the help shows them. */
export function program(): Command {
  const command = new Command('mcp-async-jobs')
    .description('Durable asynchronous tool calls for MCP servers')
    .version(packageVersion())
    .addHelpText(
      'after',
      `
Administration opens the database (start, stdio, worker, token, migrate, fence); the other commands speak to
a running server by --url and --token.

Examples:
  mcp-async-jobs start
  mcp-async-jobs token create --team Club --owner ada --ability '*'
  mcp-async-jobs call list_plans
  mcp-async-jobs watch mjb_01HX...
${ENVIRONMENT_HELP}
${EXIT_CODES_HELP}`,
    );
  const commands = [
    startCommand,
    stdioCommand,
    workerCommand,
    tokenCommand,
    migrateCommand,
    fenceCommand,
    callCommand,
    jobsCommand,
  ];
  for (const make of [...commands, watchCommand, codesCommand, doctorCommand])
    command.addCommand(make());
  throwInsteadOfExit(command);
  return command;
}

/** Commander ends the process on its own; here every command ends in `main`. */
function throwInsteadOfExit(command: Command): void {
  command.exitOverride().configureOutput({ outputError: () => {} });
  for (const one of command.commands) throwInsteadOfExit(one);
}
