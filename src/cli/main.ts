/**
 * The terminal. Each command has a file in commands/; this one knows what they share: help,
 * errors and exit codes.
 */
import { Command, CommanderError } from 'commander';
import { callCommand } from './commands/call.ts';
import { codesCommand } from './commands/codes.ts';
import { jobsCommand } from './commands/jobs.ts';
import { startCommand } from './commands/start.ts';
import { tokenCommand } from './commands/token.ts';
import { watchCommand } from './commands/watch.ts';
import { workerCommand } from './commands/worker.ts';
import { ENVIRONMENT_HELP } from './environment.ts';
import { errorLine, errorText, EXIT_CODES_HELP, exitCodeOf } from './exit.ts';
import { say } from './output.ts';
import { packageVersion } from './version.ts';

/**
 * Run a command line; sets `process.exitCode`.
 *
 * @param argv arguments after the name of the program
 */
export async function main(argv: string[]): Promise<void> {
  // A reader that has seen enough (head, less) is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  try {
    await program().parseAsync(argv, { from: 'user' });
  } catch (error) {
    process.exitCode = exitCodeOf(error);
    // Help and version have said what they had to say.
    const isHelp = error instanceof CommanderError && /help|version/i.test(error.code);
    if (isHelp) return;
    const asJson = argv.includes('--json') || argv.includes('--jsonl');
    say(asJson ? errorLine(error) : errorText(error));
  }
}

function program(): Command {
  const command = new Command('mcp-async-jobs')
    .description('Durable asynchronous tool calls for MCP servers')
    .version(packageVersion())
    .addHelpText(
      'after',
      `
Administration opens the database (start, worker, token); the other commands speak to a running
server by --url and --token.

Examples:
  mcp-async-jobs start
  mcp-async-jobs token create --team Club --owner ada --ability '*'
  mcp-async-jobs call list_plans
  mcp-async-jobs watch mjb_01HX...
${ENVIRONMENT_HELP}
${EXIT_CODES_HELP}`,
    );
  const commands = [startCommand, workerCommand, tokenCommand, callCommand, jobsCommand];
  for (const make of [...commands, watchCommand, codesCommand]) command.addCommand(make());
  throwInsteadOfExit(command);
  return command;
}

/** Commander ends the process on its own; here every command ends in `main`. */
function throwInsteadOfExit(command: Command): void {
  command.exitOverride().configureOutput({ outputError: () => {} });
  for (const one of command.commands) throwInsteadOfExit(one);
}
