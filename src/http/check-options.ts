/** The options of `serve`, checked as a whole and completed with their defaults. */
import { readFileSync } from 'node:fs';
import { LEASE_MS } from '../job/job.ts';
import { SILENT, type Logger } from '../job/log.ts';
import { nearest } from '../job/schema.ts';
import { isLoopback } from './addresses.ts';
import { isLocal } from './local.ts';
import type { ServeOptions } from './options.ts';

/** Ranges of the options that are whole numbers, with their defaults. */
const NUMBERS = {
  port: { fallback: 3_000, min: 0, max: 65_535 },
  rateLimit: { fallback: 120, min: 0, max: 1_000_000 },
  maxOutstanding: { fallback: 1_000, min: 0, max: 10_000_000 },
  idempotencyTtlMs: { fallback: 86_400_000, min: 1_000, max: 2_592_000_000 },
  retentionMs: { fallback: 2_592_000_000, min: 1_000, max: 315_360_000_000 },
  maxSubscriptions: { fallback: 10_000, min: 0, max: 100_000 },
  maxBodyBytes: { fallback: 1_048_576, min: 1_024, max: 104_857_600 },
  workers: { fallback: 1, min: 0, max: 64 },
  concurrency: { fallback: 1, min: 1, max: 1_000 },
  maxRunningPerTeam: { fallback: 0, min: 0, max: 10_000 },
  leaseMs: { fallback: LEASE_MS, min: 1_000, max: 3_600_000 },
} as const;

const TEXTS = ['name', 'version', 'host', 'requiredAbility'] as const;
const LISTS = ['allowHosts', 'allowOrigins'] as const;
const FLAGS = ['trustProxy', 'inProcess', 'sessionful'] as const;
const FUNCTIONS = ['tools', 'routes', 'maintain'] as const;
const OTHERS = [
  'jobs',
  'db',
  'identify',
  'abilities',
  'publicUrl',
  'migrations',
  'settings',
  'log',
] as const;
const KNOWN: readonly string[] = [
  ...Object.keys(NUMBERS),
  ...TEXTS,
  ...LISTS,
  ...FLAGS,
  ...FUNCTIONS,
  ...OTHERS,
];

type Numbers = { readonly [name in keyof typeof NUMBERS]: number };

/** What `serve` works with: every option has a value. */
export interface CheckedOptions extends Numbers, Pick<ServeOptions, 'jobs' | 'db' | 'identify'> {
  readonly settings: unknown;
  readonly name: string;
  readonly version: string;
  readonly host: string;
  /** Null: to be made of the host and the port that was taken. */
  readonly publicUrl: string | null;
  readonly requiredAbility: string | null;
  readonly abilities: Readonly<Record<string, string>>;
  readonly sessionful: boolean;
  readonly tools: NonNullable<ServeOptions['tools']> | null;
  readonly routes: NonNullable<ServeOptions['routes']> | null;
  readonly maintain: NonNullable<ServeOptions['maintain']> | null;
  readonly migrations: NonNullable<ServeOptions['migrations']>;
  readonly allowHosts: readonly string[];
  readonly allowOrigins: readonly string[];
  readonly trustProxy: boolean;
  readonly inProcess: boolean;
  readonly log: Logger;
}

/** @throws TypeError that lists every problem, with the fix */
export function checkOptions(options: ServeOptions): CheckedOptions {
  const problems = problemsOf(options);
  if (problems.length > 0) throw new TypeError(`serve(): ${problems.join(' ')}`);
  return {
    ...numbersOf(options),
    jobs: options.jobs,
    db: options.db,
    identify: options.identify,
    settings: options.settings ?? null,
    name: options.name ?? 'mcp-async-jobs',
    version: options.version ?? packageVersion(),
    host: options.host ?? '127.0.0.1',
    publicUrl: options.publicUrl?.replace(/\/+$/, '') ?? null,
    requiredAbility: options.requiredAbility ?? null,
    abilities: options.abilities ?? {},
    sessionful: options.sessionful ?? false,
    tools: options.tools ?? null,
    routes: options.routes ?? null,
    maintain: options.maintain ?? null,
    migrations: options.migrations ?? [],
    allowHosts: options.allowHosts ?? [],
    allowOrigins: options.allowOrigins ?? [],
    trustProxy: options.trustProxy ?? false,
    inProcess: options.inProcess ?? false,
    log: options.log ?? SILENT,
  };
}

function numbersOf(options: ServeOptions): Numbers {
  const entries = Object.entries(NUMBERS).map(([name, { fallback }]) => [
    name,
    options[name as keyof Numbers] ?? fallback,
  ]);
  return Object.fromEntries(entries) as Numbers;
}

function problemsOf(options: Partial<Record<keyof ServeOptions, unknown>>): string[] {
  if (typeof options !== 'object' || options === null) return ['It takes an object of options.'];
  return [
    ...unknownNames(options),
    ...essentials(options),
    ...addressProblems(options),
    ...wrongNumbers(options),
    ...wrong(options, TEXTS, 'a text that is not empty', (v) => typeof v === 'string' && v !== ''),
    ...wrong(options, FLAGS, 'true or false', (v) => typeof v === 'boolean'),
    ...wrong(options, FUNCTIONS, 'a function', (v) => typeof v === 'function'),
    ...wrong(options, ['migrations'], 'a list', Array.isArray),
    ...wrong(options, ['abilities'], 'an object of texts', isRecordOfTexts),
    ...wrong(options, ['settings'], 'plain data that can be sent to workers', isCloneable),
  ];
}

function unknownNames(options: object): string[] {
  return Object.keys(options)
    .filter((name) => !KNOWN.includes(name))
    .map((name) => {
      const near = nearest(name, KNOWN);
      return `Unknown option "${name}"${near ? `; did you mean "${near}"?` : '.'}`;
    });
}

function essentials(options: Partial<Record<keyof ServeOptions, unknown>>): string[] {
  const problems: string[] = [];
  const { jobs, db, identify } = options;
  if (!(jobs instanceof URL) || jobs.protocol !== 'file:') {
    problems.push(
      "`jobs` must be the file URL of the module that exports the definitions: new URL('./jobs.ts', import.meta.url).",
    );
  }
  if (!(typeof db === 'string' && db !== '') && !(typeof db === 'object' && db !== null)) {
    problems.push(
      '`db` must be the path of a SQLite file, the address of a PostgreSQL database (postgres://...), or a store from openStore.',
    );
  }
  if (typeof identify !== 'function') {
    problems.push(
      '`identify` is missing: who asks? Use tokens(store) for tokens kept in the database, bearer(verifier, { team }) for OAuth access tokens, or local() for one owner on this machine alone.',
    );
  }
  return problems;
}

function addressProblems(options: Partial<Record<keyof ServeOptions, unknown>>): string[] {
  const problems: string[] = [];
  const { publicUrl, identify, host = '127.0.0.1' } = options;
  if (publicUrl !== undefined && !isPlainUrl(publicUrl)) {
    problems.push(
      `\`publicUrl\` is ${show(publicUrl)}; it must be an absolute http or https address without query and fragment.`,
    );
  }
  problems.push(
    ...wrong(options, ['allowHosts'], 'a list of host names without port', isListOf(isHostName)),
    ...wrong(
      options,
      ['allowOrigins'],
      'a list of origins such as https://app.example.com',
      isListOf(isWebUrl),
    ),
  );
  if (typeof identify !== 'function' || !isLocal(identify as ServeOptions['identify'])) {
    return problems;
  }
  const open = (['publicUrl', 'allowHosts', 'trustProxy'] as const).filter((name) => {
    const value = options[name];
    return Array.isArray(value) ? value.length > 0 : Boolean(value);
  });
  if (open.length > 0 || !isLoopback(String(host))) {
    const what =
      open.length > 0 ? open.map((name) => `\`${name}\``).join(', ') : `host ${show(host)}`;
    problems.push(
      `local() lets everybody in who can reach the server, so it cannot be used with ${what}. Use tokens(store) or bearer(verifier, { team }).`,
    );
  }
  return problems;
}

function wrongNumbers(options: Partial<Record<keyof ServeOptions, unknown>>): string[] {
  return Object.entries(NUMBERS).flatMap(([name, { min, max }]) => {
    const value = options[name as keyof Numbers];
    const isRight = Number.isInteger(value) && (value as number) >= min && (value as number) <= max;
    if (value === undefined || isRight) return [];
    return [`\`${name}\` is ${show(value)}; it must be a whole number in ${min}..${max}.`];
  });
}

function wrong(
  options: Partial<Record<keyof ServeOptions, unknown>>,
  names: readonly (keyof ServeOptions)[],
  ...[what, isRight]: [what: string, isRight: (value: unknown) => boolean]
): string[] {
  return names
    .filter((name) => options[name] !== undefined && !isRight(options[name]))
    .map((name) => `\`${name}\` is ${show(options[name])}; it must be ${what}.`);
}

function isListOf(isRight: (value: unknown) => boolean): (value: unknown) => boolean {
  return (value) => Array.isArray(value) && value.every(isRight);
}

function isWebUrl(value: unknown): value is string {
  return typeof value === 'string' && /^https?:$/.test(URL.parse(value)?.protocol ?? '');
}

function isPlainUrl(value: unknown): boolean {
  return isWebUrl(value) && !/[?#]/.test(value);
}

function isHostName(value: unknown): boolean {
  return typeof value === 'string' && /^(\[[\da-f:.]+\]|[\da-f:]+|[\w.-]+)$/i.test(value);
}

function isRecordOfTexts(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.values(value).every((one) => typeof one === 'string');
}

function isCloneable(value: unknown): boolean {
  try {
    structuredClone(value);
    return true;
  } catch {
    return false;
  }
}

function show(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}

function packageVersion(): string {
  const file = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { readonly version: string }).version;
}
