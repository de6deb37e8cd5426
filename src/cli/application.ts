/**
 * What a server or a worker runs: the access-code application, or the definitions of `--jobs`.
 */
import { pathToFileURL } from 'node:url';
import { accessCodes } from '../access-codes/app.ts';
import { ACCESS_CODE_MIGRATIONS } from '../access-codes/sqlite/migrations.ts';
import type { ServeOptions } from '../http.ts';
import { definitionsOf, type AnyDefinition } from '../job/definition.ts';
import type { Logger } from '../job/log.ts';
import type { Store } from '../store/store.ts';
import type { ApplicationOptions } from './application-options.ts';
import { isPostgres } from './database-address.ts';
import { openDatabase } from './database.ts';
import { takeSecret } from './environment.ts';
import { CliError, localError } from './exit.ts';

export interface Application {
  readonly store: Store;
  readonly definitions: ReadonlyMap<string, AnyDefinition>;
  readonly hasAccessCodes: boolean;
  readonly parts: Pick<ServeOptions, 'jobs' | 'settings' | 'maintain'> & Partial<ServeOptions>;
}

/**
 * Open the store and make what runs on it ready.
 *
 * @throws CliError that says what is wrong; the store is closed again
 */
export async function openApplication(
  options: ApplicationOptions,
  { log, isGuest }: { readonly log: Logger; readonly isGuest: boolean },
): Promise<Application> {
  const { db, jobs } = options;
  const key = takeSecret('MCP_ASYNC_JOBS_KEY');
  takeSecret('MCP_ASYNC_JOBS_TOKEN');
  const own = jobs === undefined ? null : await ownDefinitions(jobs);
  const keyFile = own === null ? keyFileOf(options, key) : '';
  const { migrate, connections } = options;
  const store = await openDatabase(db, {
    migrations: own === null ? [ACCESS_CODE_MIGRATIONS] : [],
    log,
    isGuest,
    migrate,
    connections,
  }).catch((error: unknown) => {
    throw localError(error, db);
  });
  try {
    if (own !== null) return { store, hasAccessCodes: false, ...own };
    const parts = await accessCodes(store, {
      keyFile,
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
    throw localError(error, db);
  }
}

/** Beside the file; a database on a server has no such place, and every machine needs the same key. */
function keyFileOf({ db, keyFile }: ApplicationOptions, key: string | undefined): string {
  if (keyFile !== undefined || !isPostgres(db)) return keyFile ?? `${db}.key`;
  if (key !== undefined) return '';
  throw new CliError('NO_KEY', 'The access codes need a key, and PostgreSQL has no place for it.', {
    remediation:
      'Give every server and worker the same key: --key-file <file>, made by the first one when it is missing, or MCP_ASYNC_JOBS_KEY in the environment.',
  });
}

async function ownDefinitions(path: string): Promise<Pick<Application, 'definitions' | 'parts'>> {
  const jobs = pathToFileURL(path);
  try {
    return { definitions: definitionsOf((await import(jobs.href)) as object), parts: { jobs } };
  } catch (error) {
    const message = `${path} cannot be used: ${error instanceof Error ? error.message : String(error)}`;
    throw new CliError('JOBS_FILE', message, {
      remediation: 'Name a module that exports what defineJob({ ... }) returns.',
    });
  }
}
