/** Results of fault runs, kept between them: the last of each fault and engine, and the last full one. */
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Outcome } from '../test/faults/fault.ts';

export interface Result extends Outcome {
  readonly fault: string;
  readonly engine: string;
  readonly seed: number;
  readonly isFull: boolean;
  /** Why it was not run, or null. */
  readonly missing: string | null;
  /** Names the source that it was run with. */
  readonly source: string;
  readonly date: string;
  readonly ms: number;
}

export const root = fileURLToPath(new URL('..', import.meta.url));
const FILE = join(root, 'build/faults.json');

export function read(): Result[] {
  return existsSync(FILE) ? (JSON.parse(readFileSync(FILE, 'utf8')) as Result[]) : [];
}

/** Keep a result; a short run does not take the place of a full one, but when it found something. */
export function keep(result: Result): void {
  const all = read();
  const isSame = (one: Result) => one.fault === result.fault && one.engine === result.engine;
  const before = all.find(isSame);
  if (before?.isFull && !result.isFull && result.violations.length === 0) return;
  mkdirSync(join(root, 'build'), { recursive: true });
  // Never half a file, whenever we are stopped.
  writeFileSync(
    `${FILE}.new`,
    JSON.stringify([...all.filter((one) => !isSame(one)), result], null, 1),
  );
  renameSync(`${FILE}.new`, FILE);
}

/** The product and the faults, as they stand here. */
export function sourceDigest(): string {
  const hash = createHash('sha256');
  for (const path of globSync('{src,test/faults}/**/*.ts', { cwd: root }).sort()) {
    hash.update(path).update(readFileSync(join(root, path)));
  }
  return hash.digest('hex').slice(0, 12);
}
