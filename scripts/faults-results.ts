/**
 * Results of fault runs, kept between them in build/faults.json: one entry for each fault, engine
 * and state of the source. What is done again with the same source and other seeds is added to it.
 */
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FAULTS } from '../test/faults/catalogue.ts';
import type { Outcome } from '../test/faults/fault.ts';
import { together } from '../test/faults/sums.ts';

export interface Result extends Outcome {
  readonly fault: string;
  readonly engine: string;
  /** What it was made of: `--seed` and `--count` repeat each. */
  readonly pieces: readonly { readonly seed: number; readonly count: number }[];
  /** Why it was not run, or null. */
  readonly missing: string | null;
  /** Names the source that it was run with. */
  readonly source: string;
  /** When the last piece ended, UTC. */
  readonly date: string;
  readonly ms: number;
}

export const root = fileURLToPath(new URL('..', import.meta.url));
const FILE = join(root, 'build/faults.json');

export function read(path = FILE): Result[] {
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Result[]) : [];
}

export const countOf = ({ pieces }: Pick<Result, 'pieces'>): number =>
  pieces.reduce((sum, { count }) => sum + count, 0);

export const isFull = (result: Result): boolean =>
  countOf(result) >= (FAULTS.get(result.fault)?.full ?? Infinity);

const isSame = (a: Result) => (b: Result) =>
  a.fault === b.fault && a.engine === b.engine && a.source === b.source;

/** Keep a result, added to what the same source has already shown. */
export function keep(result: Result): void {
  write(kept(read(), result));
}

export function kept(all: readonly Result[], result: Result): Result[] {
  const before = all.find(isSame(result));
  return [...all.filter((one) => one !== before), before ? added(before, result) : result];
}

function added(before: Result, result: Result): Result {
  if (result.missing !== null) return before;
  return {
    ...result,
    ...together([before, result]),
    pieces: [...before.pieces, ...result.pieces],
    ms: before.ms + result.ms,
  };
}

/** Take over results that were made elsewhere. */
export function merge(paths: readonly string[]): void {
  if (paths.length > 0) write(merged([...paths.flatMap((path) => read(path)), ...read()]));
}

/** Of one source, pieces with other seeds add up; of what was kept twice, the later is taken. */
export function merged(results: readonly Result[]): Result[] {
  let all: Result[] = [];
  for (const result of results.toSorted(byDate)) {
    const before = all.find(isSame(result));
    const seeds = new Set(before?.pieces.map(({ seed }) => seed));
    const isTwice = result.pieces.some(({ seed }) => seeds.has(seed));
    all = isTwice ? [...all.filter((one) => one !== before), result] : kept(all, result);
  }
  return all;
}

const byDate = (a: Result, b: Result): number => a.date.localeCompare(b.date);

/**
 * The result that speaks for a fault: the newest whole one, else the one that went furthest; but one
 * that found something is hidden only by a later whole one that found nothing.
 */
export function latest(results: readonly Result[], fault: string, engine: string): Result | null {
  const ours = results
    .filter((one) => one.fault === fault && one.engine === engine && one.missing === null)
    .toSorted(byDate);
  const whole = ours.findLastIndex(isFull);
  const later = ours.slice(whole + 1);
  const broken = later.findLast(({ violations }) => violations.length > 0);
  if (broken) return broken;
  return ours[whole] ?? later.toSorted((a, b) => countOf(a) - countOf(b)).at(-1) ?? null;
}

function write(results: readonly Result[]): void {
  mkdirSync(join(root, 'build'), { recursive: true });
  // Never half a file, whenever we are stopped.
  writeFileSync(`${FILE}.new`, JSON.stringify(results, null, 1));
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
