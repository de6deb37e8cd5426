/**
 * The entry of the command line: what every command shares when it goes wrong.
 */
import { CommanderError } from 'commander';
import { CliError, errorLine, errorText, EXIT, exitCodeOf } from './exit.ts';
import { say } from './output.ts';
import { program } from './program.ts';

/**
 * Run a command line; sets `process.exitCode`.
 *
 * @param argv arguments after the name of the program
 */
export async function main(argv: string[]): Promise<void> {
  const asJson = argv.includes('--json') || argv.includes('--jsonl');
  const tell = (error: unknown) => say(asJson ? errorLine(error) : errorText(error));
  // A reader that has seen enough (head, less) is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    const remediation = 'Make room where the output goes, and run the command again.';
    tell(new CliError('FILE', `The output cannot be written: ${error.message}.`, { remediation }));
    process.exit(EXIT.usage);
  });
  try {
    await program().parseAsync(argv, { from: 'user' });
  } catch (error) {
    process.exitCode = exitCodeOf(error);
    // Help and version have said what they had to say.
    const isHelp = error instanceof CommanderError && /help|version/i.test(error.code);
    if (!isHelp) tell(error);
  }
}
