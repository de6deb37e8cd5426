/**
 * What a server or a worker runs: the access-code application, or the definitions of `--jobs`.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Option, type Command } from 'commander';
import { accessCodes } from '../access-codes/app.ts';
import { ACCESS_CODE_MIGRATIONS } from '../access-codes/sqlite/migrations.ts';
import type { ServeOptions } from '../http.ts';
import { definitionsOf, type AnyDefinition } from '../job/definition.ts';
import type { Logger } from '../job/log.ts';
import { openStore } from '../sqlite.ts';
import type { Store } from '../store/store.ts';
import { takeSecret } from './environment.ts';
import { CliError } from './exit.ts';
import { numberOption } from './options.ts';

export interface ApplicationOptions {
  readonly db: string;
  readonly jobs?: string;
  readonly keyFile?: string;
  readonly maxQuantity: number;
  readonly exportDays: number;
  readonly allotment: number;
  readonly overagePrice: string;
}

export interface Application {
  readonly store: Store;
  readonly definitions: ReadonlyMap<string, AnyDefinition>;
  readonly hasAccessCodes: boolean;
  readonly parts: Pick<ServeOptions, 'jobs' | 'settings' | 'maintain'> & Partial<ServeOptions>;
}

/** The options that say what is run, in the order of the help. */
export function addApplicationOptions(command: Command): Command {
  const ofAccessCodes = [
    new Option('--key-file <file>', 'key of the codes; made when missing (default: <db>.key)'),
    numberOption('--max-quantity <n>', 'most codes in a batch', {
      min: 1,
      max: 10_000,
      fallback: 1_000,
    }),
    numberOption(
      '--export-days <n>',
      'how long a batch can be exported; then its codes are wiped',
      {
        min: 1,
        max: 3_650,
        unit: 'days',
        fallback: 30,
      },
    ),
    numberOption('--allotment <n>', 'free redemptions of a team in a calendar month', {
      min: 0,
      max: 1_000_000_000,
      fallback: 100_000,
    }),
    new Option('--overage-price <price>', 'price of a redemption beyond it, such as 0.03').default(
      '0.03',
    ),
  ];
  command.addOption(
    new Option('--jobs <file>', 'module that exports your definitions, in place of access codes'),
  );
  for (const option of ofAccessCodes) command.addOption(option.conflicts('jobs'));
  return command;
}

/**
 * Open the store and make what runs on it ready.
 *
 * @throws CliError or JobError that says what is wrong; the store is closed again
 */
export async function openApplication(
  options: ApplicationOptions,
  { log, isGuest }: { readonly log: Logger; readonly isGuest: boolean },
): Promise<Application> {
  const { db, jobs } = options;
  const key = takeSecret('MCP_ASYNC_JOBS_KEY');
  takeSecret('MCP_ASYNC_JOBS_TOKEN');
  const own = jobs === undefined ? null : await ownDefinitions(jobs);
  const migrations = own === null ? [ACCESS_CODE_MIGRATIONS] : [];
  const store = await openStore(db, { migrations, log, isGuest });
  try {
    if (own !== null) return { store, hasAccessCodes: false, ...own };
    const parts = await accessCodes(store, {
      keyFile: options.keyFile ?? `${db}.key`,
      ...(key !== undefined && { key }),
      quantityMax: options.maxQuantity,
      exportDays: options.exportDays,
      allotment: options.allotment,
      overagePrice: options.overagePrice,
    });
    const definitions = definitionsOf((await import(parts.jobs.href)) as object);
    return { store, definitions, hasAccessCodes: true, parts };
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function ownDefinitions(file: string): Promise<Pick<Application, 'definitions' | 'parts'>> {
  const path = resolve(file);
  const remediation = 'Name a module that exports what defineJob({ ... }) returns.';
  if (!existsSync(path)) {
    throw new CliError('JOBS_FILE', `There is no file ${path}.`, { remediation });
  }
  const jobs = pathToFileURL(path);
  try {
    return { definitions: definitionsOf((await import(jobs.href)) as object), parts: { jobs } };
  } catch (error) {
    const message = `${path} cannot be used: ${error instanceof Error ? error.message : error}`;
    throw new CliError('JOBS_FILE', message, { remediation });
  }
}
