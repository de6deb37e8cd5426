/**
 * Options that several commands share, and how their values are checked.
 *
 * Each says its unit, default and range in the help; commander reads the environment variable that
 * stands beside it.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { InvalidArgumentError, Option } from 'commander';
import { databaseByDefault, SQLITE_FILE } from './database-address.ts';

export interface Range {
  readonly min: number;
  readonly max: number;
  readonly unit?: string;
}

/** A whole number option within a range. */
export function numberOption(
  flags: string,
  description: string,
  { min, max, unit = '', ...more }: Range & { readonly fallback?: number },
): Option {
  const bounds = `${grouped(min)}..${grouped(max)}${unit && ` ${unit}`}`;
  const option = new Option(flags, `${description} (${bounds})`);
  option.argParser((text) => {
    const value = /^\d{1,12}$/.test(text) ? Number(text) : NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number in ${bounds}.`);
  });
  if (more.fallback !== undefined) option.default(more.fallback);
  return option;
}

/** An option that may be given more than once, each time with one value or several, by commas. */
export function listOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser(
    (text: string, before: readonly string[] | undefined) => [
      ...(before ?? []),
      ...text
        .split(',')
        .map((one) => one.trim())
        .filter((one) => one !== ''),
    ],
  );
}

export const dbOption = (): Option =>
  new Option(
    '--db <place>',
    'the SQLite file, made when missing; or postgres://..., better given in DATABASE_URL',
  )
    .env('MCP_ASYNC_JOBS_DB')
    // The help never shows an address, which may hold a password.
    .default(databaseByDefault(), SQLITE_FILE);

export const jobsOption = (): Option =>
  new Option(
    '--jobs <file>',
    'module that exports your definitions, in place of access codes',
  ).argParser(existingFile);

export const jsonOption = (): Option =>
  new Option('--json', 'data as one line of JSON on stdout, errors as one line of JSON on stderr');

export const urlOption = (): Option =>
  new Option('--url <url>', 'the MCP endpoint of the server')
    .env('MCP_ASYNC_JOBS_URL')
    .default('http://127.0.0.1:3000/mcp')
    .argParser(endpoint);

export const tokenOption = (): Option =>
  new Option(
    '--token <token>',
    'who calls; better given in the environment, where ps does not show it',
  )
    // Its value is a secret: no default, and nothing of it in the help.
    .env('MCP_ASYNC_JOBS_TOKEN');

export const timeoutOption = (): Option =>
  numberOption('--timeout <seconds>', 'longest wait for the job; default none', {
    min: 0,
    max: 86_400,
    unit: 's',
  });

/** An absolute http(s) address; a bare origin stands for its `/mcp`. */
function endpoint(text: string): string {
  const url = httpUrl(text);
  if (url.pathname === '/') url.pathname = '/mcp';
  return url.href;
}

function existingFile(text: string): string {
  const path = resolve(text);
  if (existsSync(path)) return path;
  throw new InvalidArgumentError(
    'There is no such file. Name a module that exports what defineJob({ ... }) returns.',
  );
}

export function httpUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new InvalidArgumentError('It must be an absolute http or https address.');
  }
  // No request is made to such an address, and no link should show it.
  if (url.username !== '' || url.password !== '') {
    throw new InvalidArgumentError('It must be without a user and a password.');
  }
  return url;
}

const grouped = (value: number): string => value.toLocaleString('en-US');
