import { Command, Option } from 'commander';
import type { CallerOptions } from '../connect.ts';
import { EXIT_CODES_HELP } from '../exit.ts';
import { jsonOption, timeoutOption, tokenOption, urlOption } from '../options.ts';
import { printJson } from '../output.ts';

interface WatchOptions extends CallerOptions {
  readonly timeout?: number;
  readonly jsonl?: boolean;
}

export function watchCommand(): Command {
  return new Command('watch')
    .description('follow a job to its end: a bar on a terminal, else a line for each change')
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
  const [{ withClient }, { refuseFailure, waitFor }, { openDisplay }] = await Promise.all([
    import('../connect.ts'),
    import('../waiting.ts'),
    import('../display.ts'),
  ]);
  const [json, jsonl] = [options.json === true, options.jsonl === true];
  await withClient(options, async (client) => {
    const final = await waitFor(client, {
      jobId,
      known: null,
      timeoutSeconds: options.timeout,
      display: await openDisplay({ json, jsonl, linesAreData: true }),
    });
    if (json) printJson({ data: final }, true);
    refuseFailure(final);
  });
}
