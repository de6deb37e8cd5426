/** What every fault is: something that is done to a run, counted, and checked afterwards. */
import type { Ending } from '../support/temp.ts';
import { until } from '../support/until.ts';
import { check, type Expected, type Remains, type Violation } from './checker.ts';
import type { Fleet } from './fleet.ts';
import { done } from './history.ts';
import type { Engine } from './place.ts';
import { together } from './sums.ts';

export interface FaultRun {
  readonly t: Ending;
  readonly engine: Engine;
  /** Everything that is random follows from it. */
  readonly seed: number;
  /** How often the fault is done. */
  readonly count: number;
}

export interface Outcome {
  /** How often it was done. */
  readonly runs: number;
  /** What was counted on the way. */
  readonly counted: Readonly<Record<string, number | string>>;
  /** What was found against the invariants or the bar; empty is good. */
  readonly violations: readonly string[];
}

export interface Fault {
  readonly title: string;
  /** What has to hold. */
  readonly bar: string;
  readonly engines: readonly Engine[];
  /** How often in the long part, and in a short one. */
  readonly full: number;
  readonly quick: number;
  /** The long part is done in pieces of so many, each kept when it ends; default all at once. */
  readonly piece?: number;
  /** It measures time, which others at work beside it would spoil; default false. */
  readonly alone?: boolean;
  /** Why the long part is shorter than what the best are tested with. */
  readonly short?: string;
  /** Why it cannot be done on this machine, or null. */
  readonly missing?: () => string | null;
  readonly run: (run: FaultRun) => Promise<Outcome>;
}

/** Ends everything that was begun, the youngest first. */
export async function withEnding<T>(work: (t: Ending) => Promise<T>): Promise<T> {
  const endings: (() => Promise<void> | void)[] = [];
  try {
    return await work({ after: (end) => void endings.unshift(end) });
  } finally {
    for (const end of endings) await end();
  }
}

/** Do the same so often, several at once; `work` is told which it is. */
export async function inLanes(
  lanes: number,
  count: number,
  work: (index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let i = next++; i < count; i = next++) await work(i);
  };
  await Promise.all(Array.from({ length: Math.min(lanes, count) }, lane));
}

/**
 * Several places at once, each with a share of the runs and seeds of its own: what waits more than it
 * computes takes as long as one of them.
 */
export async function inPlaces(
  places: number,
  run: FaultRun,
  work: (share: FaultRun) => Promise<Outcome>,
): Promise<Outcome> {
  const each = Math.ceil(run.count / places);
  const shares: FaultRun[] = [];
  for (let from = 0; from < run.count; from += each)
    shares.push({ ...run, seed: run.seed + from, count: Math.min(each, run.count - from) });
  return together(
    await Promise.all(shares.map((share) => withEnding((t) => work({ ...share, t })))),
  );
}

export const told = ({ invariant, what }: Violation): string => `${invariant}: ${what}`;

export interface Rest {
  readonly remains: Remains;
  readonly violations: readonly string[];
}

/** So many jobs of each client are looked at once more, in both views. */
const LOOKED_AT = 4;

async function lookTwice({ clients, history }: Fleet): Promise<void> {
  const submitted = done(history.entries, 'submit');
  for (const client of clients.slice(0, 8)) {
    const { team, owner } = client.caller;
    const own = submitted.filter(({ deed }) => deed.team === team && deed.owner === owner);
    const step = Math.max(1, Math.floor(own.length / LOOKED_AT));
    for (let i = own.length - 1; i >= 0 && i > own.length - 1 - LOOKED_AT * step; i -= step)
      await client.compare(own[i]?.value.job ?? '');
  }
}

/** Wait until every job has ended, and check everything that happened. A server must live. */
export async function atRest(fleet: Fleet, expected: Expected = {}, ms = 60_000): Promise<Rest> {
  const { place } = fleet;
  await until('every job has ended', async () => (await place.open()) === 0, {
    ms,
    everyMs: 100,
  }).catch(() => undefined);
  // What was committed last is said a moment later.
  await new Promise((resolve) => setTimeout(resolve, 50));
  await lookTwice(fleet);
  fleet.collect();
  const remains = await place.remains({ logs: fleet.logs(), ...(await place.texts()) });
  const secrets = [...fleet.secrets(), ...(expected.secrets ?? [])];
  return {
    remains,
    violations: check(fleet.history.entries, remains, { ...expected, secrets }).map(told),
  };
}

/** The value below which `share` of all lie; milliseconds are rounded. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
}
