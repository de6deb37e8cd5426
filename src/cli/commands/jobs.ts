import { Command, Option } from 'commander';
import { bodyOf, isBody, toolError, type Body } from '../../client/answers.ts';
import { now } from '../../job/clock.ts';
import type { CallerOptions } from '../connect.ts';
import { EXIT_CODES_HELP } from '../exit.ts';
import { jsonOption, numberOption, tokenOption, urlOption } from '../options.ts';
import { printJson, printLine, say, shown } from '../output.ts';
import { durationText } from '../state-text.ts';

interface ListOptions extends CallerOptions {
  readonly status?: string;
  readonly tool?: string;
  readonly limit: number;
  readonly cursor?: string;
}

export function jobsCommand(): Command {
  const command = new Command('jobs').description('jobs of the token, on a running server');
  command
    .command('list')
    .description('list jobs, newest first')
    .addOption(
      new Option('--status <status>', 'only jobs in this status').choices([
        'queued',
        'running',
        'completed',
        'failed',
      ]),
    )
    .addOption(new Option('--tool <name>', 'only jobs of this tool'))
    .addOption(numberOption('--limit <n>', 'jobs in the page', { min: 1, max: 100, fallback: 25 }))
    .addOption(new Option('--cursor <cursor>', 'meta.next_cursor of the page before'))
    .addOption(urlOption())
    .addOption(tokenOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  mcp-async-jobs jobs list --status running
  mcp-async-jobs jobs list --json --limit 100
${EXIT_CODES_HELP}`,
    )
    .action(list);
  command
    .command('get')
    .description('show a job as it is now; a failed job is no error of this command')
    .argument('<job_id>', 'id that the submission returned')
    .addOption(urlOption())
    .addOption(tokenOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Example:
  mcp-async-jobs jobs get mjb_01HX... --json
${EXIT_CODES_HELP}`,
    )
    .action(get);
  command
    .command('cancel')
    .description('cancel a job of your own at once; one that has ended stays as it is')
    .argument('<job_id>', 'id that the submission returned')
    .addOption(urlOption())
    .addOption(tokenOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Without --json it is one line. A job that had ended before is no error; the line says so.

Example:
  mcp-async-jobs jobs cancel mjb_01HX...
${EXIT_CODES_HELP}`,
    )
    .action(cancel);
  return command;
}

async function list(options: ListOptions): Promise<void> {
  const { status, tool, limit, cursor } = options;
  const body = await ask(options, 'list_jobs', {
    limit,
    ...(status !== undefined && { status }),
    ...(tool !== undefined && { tool_name: tool }),
    ...(cursor !== undefined && { cursor }),
  });
  if (options.json === true) return printJson(body, true);
  const rows = Array.isArray(body['data']) ? (body['data'] as Body[]) : [];
  const { table } = await import('../table.ts');
  const headings = ['job_id', 'status', 'tool', 'enqueued', 'queued for', 'ran for'];
  printLine(table(headings, rows.map(cellsOf)));
  const next = isBody(body['meta']) ? body['meta']['next_cursor'] : null;
  if (typeof next === 'string') say(`More: add --cursor ${next}`);
}

/** Times of a job that goes on are counted up to now. */
function cellsOf(row: Body): string[] {
  const [enqueued, started, completed] = ['enqueued_at', 'started_at', 'completed_at'].map((name) =>
    Date.parse(shown(row[name])),
  ) as [number, number, number];
  const isFinal = !Number.isNaN(completed);
  const until = isFinal ? completed : now();
  const hasStarted = !Number.isNaN(started);
  return [
    ...['job_id', 'status', 'tool_name', 'enqueued_at'].map((name) => shown(row[name] ?? '-')),
    durationText(((hasStarted ? started : until) - enqueued) / 1_000),
    hasStarted ? durationText((until - started) / 1_000) : '-',
  ];
}

async function cancel(jobId: string, options: CallerOptions): Promise<void> {
  const body = await ask(options, 'cancel_job', { job_id: jobId });
  if (options.json === true) return printJson(body, true);
  const data = isBody(body['data']) ? body['data'] : {};
  const isChanged = data['cancelled_now'] === true;
  printLine(
    isChanged ? `${jobId} cancelled` : `${jobId} had ended before: ${shown(data['status'])}`,
  );
}

async function get(jobId: string, options: CallerOptions): Promise<void> {
  printJson(await ask(options, 'get_job_status', { job_id: jobId }), options.json === true);
}

async function ask(options: CallerOptions, name: string, args: Body): Promise<Body> {
  const { withClient } = await import('../connect.ts');
  return withClient(options, async (client) => {
    const answer = await client.callTool({ name, arguments: args });
    if (answer.isError === true) throw toolError(name, answer);
    return bodyOf(answer) ?? {};
  });
}
