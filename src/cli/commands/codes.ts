import { open, unlink, type FileHandle } from 'node:fs/promises';
import { Command, Option } from 'commander';
import { errorIn, parseBody } from '../../client/answers.ts';
import { troubleOf } from '../../client/trouble.ts';
import { JobError } from '../../job/errors.ts';
import type { CallerOptions } from '../connect.ts';
import { CliError, EXIT, EXIT_CODES_HELP } from '../exit.ts';
import { jsonOption, tokenOption, urlOption } from '../options.ts';
import { printJson, say } from '../output.ts';

interface ExportOptions extends CallerOptions {
  readonly out?: string;
}

const DOWNLOAD_MS = 120_000;

export function codesCommand(): Command {
  const command = new Command('codes').description('access codes of a batch');
  command
    .command('export')
    .description('download the codes of a batch as CSV; only its owner can')
    .argument('<batch_id>', 'result.batch_id of the job')
    .addOption(new Option('--out <file>', 'a new file, readable by you alone; default is stdout'))
    .addOption(urlOption())
    .addOption(tokenOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
With --json and --out stdout says what was written; without --out it is the CSV all the same.

Examples:
  mcp-async-jobs codes export btc_01HX... --out codes.csv
  mcp-async-jobs codes export btc_01HX... | wc -l
${EXIT_CODES_HELP}`,
    )
    .action(exportCodes);
  return command;
}

async function exportCodes(batchId: string, options: ExportOptions): Promise<void> {
  const { out } = options;
  // The file comes first: codes are not fetched for a place that cannot take them.
  const file = out === undefined ? null : await newFile(out);
  try {
    const csv = await download(batchUrl(options.url, batchId), options.token);
    if (file === null || out === undefined) {
      process.stdout.write(csv);
      return;
    }
    await writeAll(file, csv);
    if (options.json === true) printJson({ batch_id: batchId, file: out, bytes: csv.length }, true);
    else say(`Wrote ${out} (${csv.length} bytes).`);
  } catch (error) {
    if (file !== null && out !== undefined) {
      await file.close().catch(() => {});
      await unlink(out);
    }
    throw error;
  }
}

/** The address of a batch beside the MCP endpoint. */
function batchUrl(endpoint: string, batchId: string): URL {
  const url = new URL(endpoint);
  const base = url.pathname.replace(/\/mcp\/?$/, '');
  url.pathname = `${base}/batches/${encodeURIComponent(batchId)}.csv`;
  return url;
}

async function writeAll(file: FileHandle, csv: Buffer): Promise<void> {
  try {
    await file.writeFile(csv);
    await file.close();
  } catch (error) {
    throw notWritten(error);
  }
}

async function newFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'wx', 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw notWritten(error);
    throw new CliError('FILE', `${path} exists.`, {
      remediation: 'Choose another name; nothing is overwritten.',
    });
  }
}

function notWritten(error: unknown): CliError {
  return new CliError('FILE', (error as Error).message, { remediation: 'Choose another path.' });
}

async function download(url: URL, token: string | undefined): Promise<Buffer> {
  const { authorization } = await import('../connect.ts');
  try {
    const response = await fetch(url, {
      headers: { accept: 'text/csv, application/json;q=0.9', ...authorization(token) },
      // A token is for this server alone.
      redirect: 'error',
      signal: AbortSignal.timeout(DOWNLOAD_MS),
    });
    if (!response.ok) throw refusal(response.status, await response.text());
    return Buffer.from(await response.arrayBuffer());
  } catch (thrown) {
    throw thrown instanceof CliError ? thrown : troubleOf(thrown).error;
  }
}

function refusal(status: number, text: string): Error {
  const told = errorIn(parseBody(text)?.['error']);
  if (told !== null) return told;
  if (status === 401) return new JobError('AUTHENTICATION_REQUIRED');
  return new CliError('HTTP', `The server answered HTTP ${status}.`, {
    remediation: 'Check that --url is that of the server that made the batch.',
    exitCode: status >= 500 ? EXIT.unreachable : EXIT.toolError,
  });
}
