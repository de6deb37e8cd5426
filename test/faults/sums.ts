/** Adds up what several runs of one fault counted. */
import type { Outcome } from './fault.ts';

type Counted = Outcome['counted'];

/** Of these the largest is told; of anything else that is a number, the sum. */
const LARGEST =
  /\bms\b|\bMB\b|\(max\)|\bmost\b|\blargest\b|\bpoints\b|\bteams\b|\blate\b|\bearly\b/;
/** And of these the smallest. */
const SMALLEST = / a second$/;

function one(name: string, before: number | string, later: number | string): number | string {
  if (typeof before !== 'number' || typeof later !== 'number')
    return Number(before) > Number(later) ? before : later;
  if (SMALLEST.test(name)) return Math.min(before, later);
  return LARGEST.test(name) ? Math.max(before, later) : before + later;
}

function addUp(all: readonly Counted[]): Counted {
  const sum: Record<string, number | string> = {};
  for (const [name, value] of all.flatMap((counted) => Object.entries(counted))) {
    const before = sum[name];
    sum[name] = before === undefined ? value : one(name, before, value);
  }
  return sum;
}

export function together(outcomes: readonly Outcome[]): Outcome {
  return {
    runs: outcomes.reduce((sum, { runs }) => sum + runs, 0),
    counted: addUp(outcomes.map(({ counted }) => counted)),
    violations: outcomes.flatMap(({ violations }) => violations),
  };
}
