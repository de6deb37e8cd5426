import { Command, Option } from 'commander';
import type { CallerOptions } from '../connect.ts';
import { EXIT_CODES_HELP } from '../exit.ts';
import { jsonOption, timeoutOption, tokenOption, urlOption } from '../options.ts';
import { printJson, printLine, say } from '../output.ts';

interface WatchOptions extends CallerOptions {
  readonly timeout?: number;
  readonly jsonl?: boolean;
}

export function watchCommand(): Command {
  return new Command('watch')
    .description('follow a job to its end: a line for each change')
    .argument('<job_id>', 'id that the submission returned')
    .addOption(timeoutOption())
    .addOption(new Option('--jsonl', 'each change as a line of JSON on stdout').conflicts('json'))
    .addOption(urlOption())
    .addOption(tokenOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
With --json stdout gets one object, the final state; changes are told on stderr.

Examples:
  mcp-async-jobs watch mjb_01HX...
  mcp-async-jobs watch mjb_01HX... --json --timeout 60
${EXIT_CODES_HELP}`,
    )
    .action(watch);
}

async function watch(jobId: string, options: WatchOptions): Promise<void> {
  const [{ withClient }, { refuseFailure, stateLine, waitFor }] = await Promise.all([
    import('../connect.ts'),
    import('../waiting.ts'),
  ]);
  await withClient(options, async (client) => {
    const final = await waitFor(client, {
      jobId,
      known: null,
      timeoutSeconds: options.timeout,
      onChange: (state) => {
        if (options.jsonl === true) printJson({ data: state }, true);
        else if (options.json === true) say(stateLine(state));
        else printLine(stateLine(state));
      },
    });
    if (options.json === true) printJson({ data: final }, true);
    refuseFailure(final);
  });
}
