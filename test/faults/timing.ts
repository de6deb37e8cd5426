/** Whether how long an answer takes tells what it does not say: pairs of questions, asked in turns. */
import { tmpdir } from 'node:os';
import { monotonic } from '../../src/job/clock.ts';
import { inLanes, type Fault, type FaultRun, type Outcome } from './fault.ts';
import { batchOf, Fleet } from './fleet.ts';
import { guessAt } from './guesses.ts';
import { ENGINES, place } from './place.ts';
import { Seeded } from './random.ts';
import { callText, Wire } from './wire.ts';

/** The median of the differences has to lie within this, with 95 % certainty. */
const BOUND_US = 20;
/** Pairs of all kinds together stop after this time. */
const MOST_MS = 420_000;
/** Pairs under way at once: while one waits for the store, another is answered. */
const LANES = 2;
/** A pair is asked twice, as A B B A or B A A B. */
const IN_BOTH_ORDERS = 2;
const RESAMPLES = 400;

interface Pair {
  readonly what: string;
  readonly texts: readonly [string, string];
}

/** Questions that are answered alike, though one of them is about something that exists. */
async function pairsOf(fleet: Fleet, tokens: readonly [string, string]): Promise<Pair[]> {
  const { url } = fleet;
  const [own, theirs] = tokens;
  const other = fleet.client({ team: 'b', owner: 'ann', token: theirs }, 'other');
  const mine = fleet.client({ team: 'a', owner: 'ann', token: own }, 'mine');
  const make = async (client: typeof mine) => {
    const args = batchOf(await client.plan(), 1);
    const job = await client.submitSurely('bulk_generate_access_codes', args, 'a');
    return { job, codes: await client.codes(await client.ended(job)) };
  };
  const foreign = await make(other);
  const [used = ''] = (await make(mine)).codes;
  await mine.redeem(used, 'first');
  const status = (id: string) => callText(url, own, 'get_job_status', { job_id: id });
  const redeem = (code: string) =>
    callText(url, own, 'redeem_access_code', { code, subscriber_id: 'x' });
  const list = (token: string) => callText(url, token, 'list_jobs', { limit: 1 });
  return [
    {
      what: 'job: foreign or unknown',
      texts: [status(foreign.job), status('mjb_01HX0000000000000000000000')],
    },
    {
      what: 'token: wrong secret or unknown id',
      texts: [list(guessAt(theirs)), list(guessAt(null))],
    },
    { what: 'code: used or unknown', texts: [redeem(used), redeem('0123456789ABCDEF')] },
    {
      what: 'code: foreign or unknown',
      texts: [redeem(foreign.codes[0] ?? ''), redeem('0123456789ABCDEF')],
    },
  ];
}

const medianOf = (values: Float64Array): number => values[Math.floor(values.length / 2)] ?? 0;

/** The 95 % interval of the median, by resampling. */
function interval(values: readonly number[], random: Seeded): readonly [number, number] {
  const medians = new Float64Array(RESAMPLES).map(() => {
    const sample = new Float64Array(values.length).map(
      () => values[random.below(values.length)] ?? 0,
    );
    return medianOf(sample.sort());
  });
  medians.sort();
  const at = (share: number) => medians[Math.floor(RESAMPLES * share)] ?? 0;
  return [at(0.025), at(0.975)];
}

/** Wilcoxon's signed-rank test by its normal approximation: how likely chance alone is. */
function wilcoxon(differences: readonly number[]): number {
  const ranked = differences
    .filter((one) => one !== 0)
    .toSorted((a, b) => Math.abs(a) - Math.abs(b));
  const n = ranked.length;
  const positive = ranked.reduce((sum, one, at) => (one > 0 ? sum + at + 1 : sum), 0);
  const mean = (n * (n + 1)) / 4;
  const deviation = Math.sqrt((n * (n + 1) * (2 * n + 1)) / 24);
  const z = Math.abs(positive - mean) / Math.max(1, deviation);
  // Abramowitz and Stegun 26.2.17, twice the upper tail.
  const t = 1 / (1 + 0.231_641_9 * z);
  const tail = [0.319_381_53, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
  const sum = tail.reduce((total, factor, at) => total + factor * t ** (at + 1), 0);
  return Math.min(1, 2 * sum * (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)));
}

async function timing(run: FaultRun): Promise<Outcome> {
  const at = await place(run.t, run.engine, tmpdir());
  const [own, theirs] = await at.callers(2);
  if (!own || !theirs) throw new Error('nobody calls');
  const fleet = new Fleet(run.t, at, { application: 'codes', workers: 1 });
  await fleet.start();
  const pairs = await pairsOf(fleet, [own.token, theirs.token]);
  const random = new Seeded(run.seed);
  const wires = Array.from({ length: LANES }, () => new Wire(fleet.url));
  const differences = pairs.map((): number[] => []);
  const violations: string[] = [];
  const endsAt = monotonic() + MOST_MS;
  await inLanes(LANES, run.count / IN_BOTH_ORDERS, async (i) => {
    if (monotonic() > endsAt) return;
    const wire = wires.pop() ?? new Wire(fleet.url);
    const kind = i % pairs.length;
    const { texts } = pairs[kind] ?? { texts: ['', ''] };
    // Both orders, so that going first is worth nothing; which order goes first is left to chance.
    const ms: [number, number] = [0, 0];
    for (const which of random.isTrue(0.5) ? ([0, 1, 1, 0] as const) : ([1, 0, 0, 1] as const)) {
      ms[which] += (await wire.ask(texts[which])).ms;
    }
    wires.push(wire);
    // The first few of each kind warm up.
    if (i >= 100 * pairs.length)
      differences[kind]?.push(((ms[0] - ms[1]) / IN_BOTH_ORDERS) * 1_000);
  });
  for (const wire of wires) wire.close();
  const counted: Record<string, number | string> = {};
  for (const [kind, { what }] of pairs.entries()) {
    const found = differences[kind] ?? [];
    const [from, to] = interval(found, random);
    const p = wilcoxon(found);
    counted[what] =
      `${found.length} pairs in both orders, median difference ${from.toFixed(1)}..${to.toFixed(1)} µs (95 %), p ${p.toFixed(3)}`;
    if (from < -BOUND_US || to > BOUND_US) violations.push(`${what}: ${counted[what]}`);
  }
  const runs = IN_BOTH_ORDERS * differences.reduce((sum, { length }) => sum + length, 0);
  return { runs, counted, violations };
}

export const TIMING: Readonly<Record<string, Fault>> = {
  F25: {
    title:
      'how long answers take: foreign beside unknown jobs and codes, used beside unknown codes, wrong secrets beside unknown tokens',
    bar: `the median of the differences of pairs lies within ± ${BOUND_US} µs (95 %); p of Wilcoxon's test is told`,
    engines: ENGINES,
    alone: true,
    full: 200_000,
    quick: 4_000,
    run: timing,
  },
};
