/** Medians, percentiles and alternating pairs. */

export function percentile(values: readonly number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * p) / 100))] ?? NaN;
}

export function median(values: readonly number[]): number {
  return percentile(values, 50);
}

export interface Pair<T> {
  readonly a: T;
  readonly b: T;
}

export interface Measured {
  readonly perSecond: number;
  /** Of all processors, for each piece. Says the same however busy the machine is otherwise. */
  readonly processorUs: number;
}

/** Run A and B in turns, once unmeasured and then `pairs` times. */
export async function alternate<T>(
  pairs: number,
  a: () => Promise<T>,
  b: () => Promise<T>,
): Promise<readonly Pair<T>[]> {
  await a();
  await b();
  const found: Pair<T>[] = [];
  for (let pair = 0; pair < pairs; pair += 1) found.push({ a: await a(), b: await b() });
  return found;
}

/** The median over the pairs of a figure of A, by the same figure of B. */
export function ratio<T>(pairs: readonly Pair<T>[], figure: (of: T) => number): number {
  return median(pairs.map(({ a, b }) => figure(a) / figure(b)));
}

/** `label A / B` of a figure, as medians, for the reader of the table. */
export function both<T>(pairs: readonly Pair<T>[], figure: (of: T) => number, unit: string) {
  const [a, b] = [median(pairs.map((p) => figure(p.a))), median(pairs.map((p) => figure(p.b)))];
  return `${short(a)} : ${short(b)} ${unit}`;
}

/** Three digits that matter. */
export function short(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
}

/** How long a piece of work takes, in milliseconds. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}
