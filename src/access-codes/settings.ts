/**
 * What the access-code application needs to run, in a server or in a worker: its key, its bounds
 * and its terms. The object is handed on as `settings`; it is never stored or logged.
 */
import { JobError, type Store } from '../index.ts';
import { deriveKeys, makeKeyFile, parseKey, readKeyFile } from './keys.ts';
import { parsePrice } from './pricing.ts';
import { getKeyFingerprint, insertKeyFingerprint } from './statements.ts';

export interface AccessCodeOptions {
  /** Path of the key file, such as `jobs.db.key`; made when it is missing and the database is new. */
  readonly keyFile: string;
  /** The key itself (base64url of 32 bytes); the file is not looked at then. */
  readonly key?: string;
  /** Most codes in one batch. Default 1,000; 1..10,000. */
  readonly quantityMax?: number;
  /** How long a batch can be exported, in days; its codes are wiped then. Default 30; 1..3,650. */
  readonly exportDays?: number;
  /** Free redemptions of a team in a calendar month. Default 100,000; 0..1,000,000,000. */
  readonly allotment?: number;
  /** Price of a redemption beyond the allotment, as decimal text. Default `0.03`. */
  readonly overagePrice?: string;
  /** Failed redemptions after which a token has to wait, a minute; 0 is off. Default 100; 0..100,000. */
  readonly redeemFailuresPerMinute?: number;
  /** Failed redemptions after which a team has to wait, an hour; 0 is off. Default 1,000; 0..1,000,000. */
  readonly redeemFailuresPerHour?: number;
}

export interface AccessCodeSettings {
  readonly key: string;
  readonly quantityMax: number;
  readonly exportWindowMs: number;
  readonly allotment: number;
  readonly overageMinor: number;
  readonly redeemFailuresPerMinute: number;
  readonly redeemFailuresPerHour: number;
}

const DAY_MS = 86_400_000;

/** The settings as a handler is given them. */
export function settingsOf(value: unknown): AccessCodeSettings {
  if (typeof value === 'object' && value !== null && 'key' in value) {
    return value as AccessCodeSettings;
  }
  throw new Error('The access-code settings are missing. Start the process with its options.');
}

/**
 * Check the options, find or make the key, and make sure that it is the one of this database.
 *
 * @throws JobError that says which option is wrong, or why the key cannot be used
 */
export async function openSettings(
  store: Store,
  options: AccessCodeOptions,
): Promise<AccessCodeSettings> {
  const { quantityMax = 1_000, exportDays = 30, allotment = 100_000 } = options;
  const { redeemFailuresPerMinute = 100, redeemFailuresPerHour = 1_000 } = options;
  const overageMinor = parsePrice(options.overagePrice ?? '0.03');
  refuse([
    outOfRange('quantityMax', quantityMax, 1, 10_000),
    outOfRange('exportDays', exportDays, 1, 3_650),
    outOfRange('allotment', allotment, 0, 1_000_000_000),
    outOfRange('redeemFailuresPerMinute', redeemFailuresPerMinute, 0, 100_000),
    outOfRange('redeemFailuresPerHour', redeemFailuresPerHour, 0, 1_000_000),
    overageMinor === null &&
      `overagePrice is "${options.overagePrice}"; it must be like 0.03, with at most two places.`,
  ]);
  return {
    key: await keyOf(store, options),
    quantityMax,
    exportWindowMs: exportDays * DAY_MS,
    allotment,
    overageMinor: overageMinor ?? 0,
    redeemFailuresPerMinute,
    redeemFailuresPerHour,
  };
}

/** A database that has codes is never given a new key: they could not be redeemed any more. */
async function keyOf(store: Store, options: AccessCodeOptions): Promise<string> {
  const { keyFile } = options;
  const before = await fingerprintIn(store);
  const given = options.key === undefined ? null : parseKey(options.key, 'The key that was given');
  let key = given ?? readKeyFile(keyFile);
  if (key === null) {
    if (before !== null) {
      throw refused(
        `The key file ${keyFile} is missing, and this database was made with one. Restore it from a backup; without it no code of the database can be redeemed or exported.`,
      );
    }
    makeKeyFile(keyFile);
    key = readKeyFile(keyFile);
    if (key === null) throw refused(`The key file ${keyFile} vanished while starting.`);
  }
  const { fingerprint } = deriveKeys(key);
  if (before === null) await store.write([insertKeyFingerprint({ fingerprint })]);
  const kept = before ?? (await fingerprintIn(store)) ?? fingerprint;
  if (Buffer.compare(kept, fingerprint) !== 0) {
    const source = given === null ? `The key file ${keyFile}` : 'The key that was given';
    throw refused(
      `${source} does not belong to this database: its codes were made with another key. Use the key that the database was started with first.`,
    );
  }
  return key;
}

async function fingerprintIn(store: Store): Promise<Uint8Array | null> {
  const [row] = await store.read(getKeyFingerprint, { only: 1 });
  return row?.fingerprint ?? null;
}

function outOfRange(name: string, value: number, min: number, max: number): string | false {
  const isIn = Number.isInteger(value) && value >= min && value <= max;
  return !isIn && `${name} is ${value}; it must be a whole number in ${min}..${max}.`;
}

function refuse(problems: readonly (string | false)[]): void {
  const found = problems.filter((problem) => problem !== false);
  if (found.length > 0) throw new JobError('VALIDATION_FAILED', { message: found.join(' ') });
}

function refused(message: string): JobError {
  return new JobError('INTERNAL_ERROR', { message });
}
