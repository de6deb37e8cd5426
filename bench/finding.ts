/** What a bench found, and the bar that it was held to. */
import type { EngineName } from './engine.ts';

export interface Bar {
  readonly is: 'at least' | 'at most';
  readonly limit: number;
}

export interface Finding {
  readonly bench: string;
  readonly what: string;
  readonly measured: number;
  /** `x` is a ratio, the median over the pairs. */
  readonly unit: 'x' | 'ms' | 's' | 'MB' | 'kB' | '/s';
  /** Null where there is nothing to hold it to. */
  readonly bar: Bar | null;
  /** The figures behind it. */
  readonly detail?: string;
}

/** A bench that could not be run here, and why. */
export interface NotRun {
  readonly bench: string;
  readonly notRun: string;
}

export interface BenchOptions {
  readonly engine: EngineName;
  /** Alternating pairs per ratio. */
  readonly pairs: number;
  /** Few repetitions, for a look; the figures mean little. */
  readonly quick: boolean;
}

export type Bench = (options: BenchOptions) => Promise<readonly (Finding | NotRun)[]>;

export const atLeast = (limit: number): Bar => ({ is: 'at least', limit });
export const atMost = (limit: number): Bar => ({ is: 'at most', limit });

export function isPassed({ bar, measured }: Finding): boolean {
  if (bar === null) return true;
  return bar.is === 'at least' ? measured >= bar.limit : measured <= bar.limit;
}
