import { Command, Option } from 'commander';
import { bodyOf, isFinalState, jobIn, textOf, toolError } from '../../client/answers.ts';
import { nearest } from '../../job/schema.ts';
import type { CallerOptions } from '../connect.ts';
import { CliError, EXIT, EXIT_CODES_HELP } from '../exit.ts';
import { jsonOption, timeoutOption, tokenOption, urlOption } from '../options.ts';
import { printJson, say } from '../output.ts';
import { toolArguments } from '../tool-arguments.ts';

interface CallOptions extends CallerOptions {
  readonly args?: string;
  readonly wait?: boolean;
  readonly timeout?: number;
}

export function callCommand(): Command {
  return new Command('call')
    .description('call a tool of a running server')
    .argument('<tool>', 'name of the tool')
    .argument('[key=value...]', 'arguments, typed by the schema of the tool')
    .addOption(new Option('--args <json>', 'arguments as a JSON object; key=value goes before it'))
    .addOption(
      new Option('--wait', 'wait for the job, showing how far it is, and print how it ended'),
    )
    .addOption(timeoutOption())
    .addOption(urlOption())
    .addOption(tokenOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  mcp-async-jobs call list_projects
  mcp-async-jobs call create_project name="My club" --json
  mcp-async-jobs call bulk_generate_access_codes plan_id=pln_... quantity=250 \\
    export_type=file expiry_preset=no_expiry --wait
${EXIT_CODES_HELP}`,
    )
    .action(call);
}

async function call(tool: string, pairs: readonly string[], options: CallOptions): Promise<void> {
  const [{ withClient }, { refuseFailure, waitFor }, { openDisplay }] = await Promise.all([
    import('../connect.ts'),
    import('../waiting.ts'),
    import('../display.ts'),
  ]);
  const json = options.json === true;
  await withClient(options, async (client) => {
    const { tools } = await client.listTools();
    const known = tools.find(({ name }) => name === tool);
    if (known === undefined)
      throw unknownTool(
        tool,
        tools.map(({ name }) => name),
      );
    const args = toolArguments(pairs, options.args, known.inputSchema);
    const answer = await client.callTool({ name: tool, arguments: args });
    if (answer.isError === true) throw toolError(tool, answer);

    const body = bodyOf(answer) ?? { text: textOf(answer) };
    const state = jobIn(body);
    const isSubmission = state !== null && !isFinalState(state) && tool !== 'get_job_status';
    if (!isSubmission || options.wait !== true) {
      printJson(body, json);
      if (isSubmission) say(`Follow it with: mcp-async-jobs watch ${state.job_id}`);
      return;
    }
    const final = await waitFor(client, {
      jobId: state.job_id,
      known: state,
      timeoutSeconds: options.timeout,
      display: await openDisplay({ json, jsonl: false, linesAreData: false }),
    });
    printJson({ data: final }, json);
    refuseFailure(final);
  });
}

function unknownTool(tool: string, names: readonly string[]): CliError {
  const near = nearest(tool, names);
  return new CliError('NO_SUCH_TOOL', `The server has no tool "${tool}".`, {
    remediation: near ? `Did you mean ${near}?` : `It has: ${names.join(', ')}.`,
    exitCode: EXIT.toolError,
  });
}
