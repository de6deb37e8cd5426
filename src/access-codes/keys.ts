/**
 * The key of the codes: 32 random bytes from which the key that finds codes and the key that seals
 * exports are derived. It lies in a file of its own that only its owner can read, beside the
 * database and never in it, so that a copy of the database alone gives no code away.
 */
import { createSecretKey, hkdfSync, randomBytes, type KeyObject } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { JobError } from '../index.ts';

const KEY_BYTES = 32;
const KEY_TEXT = /^[A-Za-z0-9_-]{43}=?$/;

/** What the key is for, apart from each other. Key objects: from bytes a digest takes six times as long. */
export interface CodeKeys {
  /** Finds codes. */
  readonly mac: KeyObject;
  /** Seals exports. */
  readonly seal: KeyObject;
  /** Kept in the database, to tell whether a key belongs to it. */
  readonly fingerprint: Uint8Array;
}

/** @param key base64url of 32 bytes */
export function deriveKeys(key: string): CodeKeys {
  const root = Buffer.from(key, 'base64url');
  const derive = (use: string) =>
    new Uint8Array(hkdfSync('sha256', root, '', `mcp-async-jobs access-codes ${use}`, KEY_BYTES));
  return {
    mac: createSecretKey(derive('mac')),
    seal: createSecretKey(derive('seal')),
    fingerprint: derive('fingerprint'),
  };
}

/**
 * The key as text, checked.
 *
 * @param source where it came from, for the message; the key itself is in no message
 * @throws JobError when it is not base64url of 32 bytes
 */
export function parseKey(text: string, source: string): string {
  const key = text.trim();
  if (KEY_TEXT.test(key) && Buffer.from(key, 'base64url').length === KEY_BYTES) return key;
  throw broken(
    `${source} does not hold a key: 43 characters of base64url (32 bytes) are expected. Restore it from a backup, or make one with: openssl rand -base64 32 | tr '+/' '-_' | tr -d '='`,
  );
}

/**
 * The key in a file, or null when there is no such file.
 *
 * @throws JobError when others could read it, or when it holds something else
 */
export function readKeyFile(path: string): string | null {
  let file: number;
  try {
    // A pipe is told to be none, in place of being waited for.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw broken(`The key file ${path} cannot be read: ${(error as Error).message}.`, error);
  }
  try {
    const stat = fstatSync(file);
    if (!stat.isFile()) throw broken(`The key file ${path} is not a file.`);
    if (process.platform !== 'win32' && (stat.mode & 0o077) !== 0) {
      throw broken(
        `The key file ${path} can be read by others (mode ${(stat.mode & 0o777).toString(8)}). Run: chmod 600 ${path}`,
      );
    }
    return parseKey(readFileSync(file, 'utf8'), `The key file ${path}`);
  } finally {
    closeSync(file);
  }
}

/**
 * Make a key and keep it in a file of mode 0600, whole from the first moment on: of two processes
 * that start at once one makes the file, and both read the same key from it.
 *
 * @throws JobError when the file cannot be made
 */
export function makeKeyFile(path: string): void {
  const unfinished = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    const file = openSync(unfinished, 'wx', 0o600);
    try {
      writeFileSync(file, `${randomBytes(KEY_BYTES).toString('base64url')}\n`);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    linkUnlessThere(unfinished, path);
    unlinkSync(unfinished);
    syncFolder(dirname(path));
  } catch (error) {
    throw broken(`The key file ${path} cannot be made: ${(error as Error).message}.`, error);
  }
}

function linkUnlessThere(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** The name, too, must survive a power cut before a code depends on the key. */
function syncFolder(path: string): void {
  if (process.platform === 'win32') return;
  const folder = openSync(path, constants.O_RDONLY);
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function broken(message: string, cause?: unknown): JobError {
  return new JobError('INTERNAL_ERROR', { message, cause });
}
