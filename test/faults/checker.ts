/**
 * The fifteen invariants of the promise, checked over a recorded history and over what stood in the
 * database when everything had come to rest.
 */
import { RUNS_MAX } from '../../src/job/job.ts';
import { isFinal, type Status } from '../../src/job/states.ts';
import { done, of, type Entry, type View } from './history.ts';

export interface JobRow {
  readonly id: string;
  readonly tool: string;
  readonly team_id: string;
  readonly owner_id: string;
  readonly status: Status;
  readonly input: string | null;
  readonly carry: string | null;
  readonly result: string | null;
  readonly error: string | null;
  readonly runs: number;
  readonly attempts: number;
  readonly attempts_max: number;
  readonly created_at: number;
  readonly started_at: number | null;
  readonly updated_at: number;
  readonly completed_at: number | null;
}

/** What a run left behind. */
export interface Remains {
  readonly jobs: readonly JobRow[];
  readonly batches: readonly { readonly id: string; readonly quantity: number }[];
  readonly codes: readonly {
    readonly id: string;
    readonly batch_id: string;
    readonly ordinal: number;
    readonly mac: string;
    readonly redeemed_by: string | null;
  }[];
  readonly subscriptions: readonly { readonly id: string; readonly subscriber_id: string }[];
  readonly keys: readonly {
    readonly team_id: string;
    readonly owner_id: string;
    readonly tool: string;
    readonly key: string;
    readonly job_id: string;
  }[];
  /** One line for each time that the effect of a job's completion was written. */
  readonly effects: readonly { readonly job: string; readonly run: string }[];
  /** Texts in which no secret may stand, by where they were found. */
  readonly texts: Readonly<Record<string, string>>;
  /** What the database says of its own soundness. */
  readonly soundness: 'ok' | (string & {});
}

export interface Expected {
  /** Whether workers lived long enough for every job to end. Default true. */
  readonly isDrained?: boolean;
  /** Whether the database began empty, so that every job stands in the history. Default true. */
  readonly isWhole?: boolean;
  /** Longest wait of a job of any other team than the flooding one. */
  readonly fair?: { readonly flood: string; readonly maxMs: number };
  readonly secrets?: readonly string[];
}

export interface Violation {
  readonly invariant: `I${number}`;
  readonly what: string;
}

export interface Run {
  readonly entries: readonly Entry[];
  readonly remains: Remains;
  readonly expected: Expected;
}

type Check = (run: Run) => readonly string[];

/** Every invariant; the list names what was found against it. */
export const INVARIANTS: Readonly<Record<`I${number}`, { says: string; check: Check }>> = {
  I1: { says: 'what was acknowledged is there', check: acknowledgedIsThere },
  I2: { says: 'a job ends once and never changes afterwards', check: endsOnce },
  I3: { says: 'a job only moves forward', check: movesForward },
  I4: { says: 'only the newest run may write', check: newestRunWrites },
  I5: { says: 'a completed job has its effects exactly once, any other none', check: effectsOnce },
  I6: { says: 'no code exists twice', check: codesAreUnique },
  I7: { says: 'a code is redeemed at most once, for good', check: redeemedOnce },
  I8: { says: 'one key is one job', check: oneKeyOneJob },
  I9: { says: 'nothing of another team is seen', check: teamsAreApart },
  I10: { says: 'no accepted job waits for ever', check: everyJobEnds },
  I11: { says: 'a flood delays others within bounds', check: floodIsBounded },
  I12: { says: 'no secret stands where it must not', check: secretsStaySecret },
  I13: { says: 'what was refused was not done', check: refusedIsNotDone },
  I14: { says: 'who worked before a restore writes no more', check: oldEpochIsFenced },
  I15: { says: 'both views of a job agree', check: viewsAgree },
};

/** How many of one kind are told; the rest is counted. */
const TOLD = 5;

export function check(
  entries: readonly Entry[],
  remains: Remains,
  expected: Expected = {},
): Violation[] {
  const run = { entries, remains, expected };
  return Object.entries(INVARIANTS).flatMap(([invariant, { says, check: find }]) => {
    const found = find(run);
    const more = found.length > TOLD ? [`and ${found.length - TOLD} more of this kind`] : [];
    return [...found.slice(0, TOLD), ...more].map((what) => ({
      invariant: invariant as Violation['invariant'],
      what: `${says}, but ${what}`,
    }));
  });
}

const byId = <T extends { readonly id: string }>(rows: readonly T[]): ReadonlyMap<string, T> =>
  new Map(rows.map((row) => [row.id, row]));

function repeated(values: readonly string[]): string[] {
  const seen = new Set<string>();
  return [...new Set(values.filter((value) => seen.has(value) || !seen.add(value)))];
}

function acknowledgedIsThere({ entries, remains }: Run): string[] {
  const kept = byId(remains.jobs);
  const acked = new Map<string, number>();
  for (const { value, endedAt } of done(entries, 'submit')) {
    acked.set(value.job, Math.min(endedAt, acked.get(value.job) ?? Infinity));
  }
  const lost = [...acked.keys()].filter((id) => !kept.has(id)).map((id) => `${id} is lost`);
  const unseen = done(entries, 'poll')
    .filter(({ deed, value, invokedAt }) => {
      return value === null && invokedAt >= (acked.get(deed.job) ?? Infinity);
    })
    .map(({ deed }) => `${deed.job} was not found by its owner`);
  const unsound = remains.soundness === 'ok' ? [] : [`the database says ${remains.soundness}`];
  return [...lost, ...unseen, ...unsound];
}

type Poll = Entry<'poll'> & { readonly value: View; readonly endedAt: number };

/** What was seen of each job, in the order in which it was asked. */
function sightings(entries: readonly Entry[]): ReadonlyMap<string, readonly Poll[]> {
  const polls = done(entries, 'poll').filter(({ value }) => value !== null) as readonly Poll[];
  return Map.groupBy(
    polls.toSorted((a, b) => a.invokedAt - b.invokedAt),
    ({ deed }) => deed.job,
  );
}

const isEnd = ({ status }: View) => status === 'completed' || status === 'failed';

/** The status that a caller is shown of a row. */
function shownOf({ status, started_at: startedAt }: JobRow): View['status'] {
  if (status === 'waiting') return 'running';
  if (status === 'cancelled') return 'failed';
  return status === 'queued' && startedAt !== null ? 'running' : status;
}

/** What names the end of a row wherever it is shown: the run of its result, or the code of its error. */
function endOf({ status, result, error }: JobRow): string {
  if (status === 'cancelled') return 'JOB_CANCELLED';
  if (status === 'failed') return /"code":\s*"\w+"/.exec(error ?? '')?.[0].replace(/\s/, '') ?? '';
  return /"run":\s*"\w+"/.exec(result ?? '')?.[0].replace(/\s/, '') ?? '';
}

function endsOnce({ entries, remains }: Run): string[] {
  const kept = byId(remains.jobs);
  const seen = [...sightings(entries)].flatMap(([job, polls]) => {
    const ends = polls.filter(({ value }) => isEnd(value)).map(({ value }) => value);
    const ways = new Set(ends.map(({ status, outcome }) => `${status} ${outcome}`));
    const row = kept.get(job);
    const [end] = ends;
    if (ways.size > 1) return [`${job} ended as ${[...ways].join(' and as ')}`];
    if (!row || !end) return [];
    if (shownOf(row) !== end.status)
      return [`${job} ended as ${end.status} and is kept as ${row.status}`];
    return end.outcome?.includes(endOf(row)) === false
      ? [`${job} ended as ${end.outcome} and is kept as ${row.result ?? row.error}`]
      : [];
  });
  const written = done(entries, 'settle')
    .filter(({ deed, value }) => value.applied && isFinal(deed.to as Status))
    .map(({ deed }) => deed);
  const twice = repeated(written.map(({ job }) => job)).map((job) => `${job} was ended twice`);
  const other = written
    .filter(({ job, to }) => (kept.get(job)?.status ?? to) !== to)
    .map(({ job, to }) => `${job} was ended as ${to} and is kept as ${kept.get(job)?.status}`);
  const going = done(entries, 'cancel')
    .filter(({ deed }) => !isFinal(kept.get(deed.job)?.status ?? 'cancelled'))
    .map(({ deed }) => `${deed.job} was cancelled and is ${kept.get(deed.job)?.status}`);
  return [...seen, ...twice, ...other, ...going];
}

const ORDER: Readonly<Record<View['status'], number>> = {
  queued: 0,
  running: 1,
  completed: 2,
  failed: 2,
};

function movesForward({ entries, remains }: Run): string[] {
  const backwards = [...sightings(entries)].flatMap(([job, polls]) =>
    polls.flatMap((later, index) => {
      // Only an answer that was there before the next question was asked says anything about it.
      const before = polls.slice(0, index).filter(({ endedAt }) => endedAt <= later.invokedAt);
      const worst = before.find(
        ({ value }) =>
          ORDER[value.status] > ORDER[later.value.status] ||
          (value.attempt ?? 0) > (later.value.attempt ?? Infinity) ||
          (value.updatedAt ?? '') > (later.value.updatedAt ?? '~'),
      );
      if (!worst) return [];
      return [
        `${job} was seen as ${JSON.stringify(worst.value)}, then ${JSON.stringify(later.value)}`,
      ];
    }),
  );
  const impossible = remains.jobs
    .filter(
      (row) =>
        row.attempts > row.attempts_max ||
        row.runs > RUNS_MAX ||
        row.attempts > row.runs ||
        row.updated_at < (row.started_at ?? row.created_at) ||
        (row.completed_at ?? row.updated_at) < row.created_at,
    )
    .map(
      ({ id, attempts, runs }) =>
        `${id} has ${attempts} attempts in ${runs} runs, or its times go back`,
    );
  return [...backwards, ...impossible];
}

function newestRunWrites({ entries }: Run): string[] {
  const restores = done(entries, 'restore');
  const isUndone = ({ invokedAt }: Entry) =>
    restores.some(({ value, invokedAt: at }) => value.to < invokedAt && invokedAt < at);
  const claims = done(entries, 'claim')
    .filter((claim) => !isUndone(claim))
    .map(({ value }) => value);
  const runs = new Map(claims.map(({ lease, run }) => [lease, run]));
  const accepted = done(entries, 'settle').filter(({ value }) => value.applied);
  const twice = repeated(accepted.map(({ deed }) => deed.lease)).map(
    (lease) => `the lease ${lease} ended two runs`,
  );
  const newest = new Map<string, number>();
  for (const { job, run } of claims) newest.set(job, Math.max(run, newest.get(job) ?? 0));
  const stale = accepted
    .filter(({ deed }) => isFinal(deed.to as Status))
    .filter(({ deed }) => (runs.get(deed.lease) ?? Infinity) < (newest.get(deed.job) ?? 0))
    .map(
      ({ deed }) =>
        `run ${runs.get(deed.lease)} of ${deed.job} ended it after run ${newest.get(deed.job)} began`,
    );
  const same = repeated(claims.map(({ job, run }) => `${job} run ${run}`)).map(
    (what) => `${what} was handed out twice`,
  );
  return [...twice, ...stale, ...same];
}

function effectsOnce({ remains, entries }: Run): string[] {
  const { jobs, batches, codes, effects } = remains;
  const written = Map.groupBy(effects, ({ job }) => job);
  const ordinals = Map.groupBy(codes, ({ batch_id: id }) => id);
  const batchOf = byId(batches);
  const submitted = new Map(
    done(entries, 'submit').map(({ deed, value }) => [value.job, deed] as const),
  );
  const claimedBatches = new Set<string>();
  const wrong = jobs.flatMap((job): string[] => {
    const times = written.get(job.id)?.length ?? 0;
    if (job.tool !== 'bulk_generate_access_codes') {
      const wanted = job.status === 'completed' ? 1 : 0;
      if (times !== wanted)
        return [`${job.id} is ${job.status} and its effect was written ${times} times`];
      const run = written.get(job.id)?.[0]?.run;
      if (run === undefined || job.result?.includes(run)) return [];
      return [`${job.id} has the result of one run and the effect of another`];
    }
    const { batch_id: id } = JSON.parse(job.carry ?? '{}') as { batch_id?: string };
    if (id !== undefined) claimedBatches.add(id);
    const batch = batchOf.get(id ?? '');
    const found = ordinals.get(id ?? '') ?? [];
    if (job.status !== 'completed') {
      return batch || found.length > 0
        ? [`${job.id} is ${job.status} and has ${found.length} codes`]
        : [];
    }
    const asked = (
      JSON.parse(submitted.get(job.id)?.args ?? job.input ?? '{}') as { quantity?: number }
    ).quantity;
    const places = new Set(found.map(({ ordinal }) => ordinal));
    const isExact =
      batch?.quantity === asked &&
      found.length === asked &&
      Array.from({ length: asked }, (_, index) => index + 1).every((place) => places.has(place));
    return isExact ? [] : [`${job.id} was to have ${asked} codes and has ${found.length}`];
  });
  const stray = batches
    .filter(({ id }) => !claimedBatches.has(id))
    .map(({ id }) => `${id} belongs to no job`);
  return [...wrong, ...(jobs.length > 0 ? stray : [])];
}

function codesAreUnique({ remains }: Run): string[] {
  return repeated(remains.codes.map(({ mac }) => mac)).map(
    (mac) => `${mac.slice(0, 12)} is there twice`,
  );
}

function redeemedOnce({ entries, remains }: Run): string[] {
  const winners = Map.groupBy(done(entries, 'redeem'), ({ deed }) => `${deed.team} ${deed.code}`);
  const subscribers = new Map(remains.subscriptions.map((row) => [row.id, row.subscriber_id]));
  const two = [...winners].flatMap(([code, entriesOf]) => {
    const names = new Set(entriesOf.map(({ deed }) => deed.subscriber));
    return names.size > 1 ? [`${code.slice(-8)} was redeemed by ${[...names].join(' and ')}`] : [];
  });
  const lost = done(entries, 'redeem')
    .filter(({ deed, value }) => subscribers.get(value.subscription) !== deed.subscriber)
    .map(({ value }) => `${value.subscription} was acknowledged and is kept differently`);
  const half = remains.codes
    .filter(({ id, redeemed_by: by }) => (subscribers.get(id) ?? null) !== by)
    .map(({ id }) => `${id} and its subscription disagree`);
  return [...two, ...lost, ...half];
}

function oneKeyOneJob({ entries, remains, expected }: Run): string[] {
  const keyed = done(entries, 'submit').filter(({ deed }) => deed.key !== null);
  const nameOf = ({ deed }: (typeof keyed)[number]) =>
    [deed.team, deed.owner, deed.tool, deed.key].join(' ');
  const wrong = [...Map.groupBy(keyed, nameOf)].flatMap(([name, group]) => {
    const jobs = new Set(group.map(({ value }) => value.job));
    const calls = new Set(group.map(({ deed }) => deed.args));
    const many = jobs.size > 1 ? [`${name} stands for ${[...jobs].join(' and ')}`] : [];
    return many.concat(calls.size > 1 ? [`${name} was accepted with different arguments`] : []);
  });
  // A second job of one key that no answer told of stands in the database all the same.
  const marked = Map.groupBy(
    keyed.filter(({ deed }) => deed.args.includes(`"${deed.key}"`)),
    ({ deed }) => deed.args,
  );
  const rows = Map.groupBy(remains.jobs, ({ input }) => input ?? '');
  const double = [...marked.keys()].flatMap((args) => {
    const found = rows.get(args)?.length ?? 0;
    return found > 1
      ? [`${args.slice(0, 80)} was submitted under one key and is there ${found} times`]
      : [];
  });
  // Where equal arguments may mean different calls, more jobs than keys cannot be right either.
  const all = of(entries, 'submit');
  const calls = all.every(({ deed }) => deed.key !== null)
    ? new Set(all.map(({ deed }) => `${deed.team} ${deed.key}`)).size
    : Infinity;
  const many =
    all.length > 0 && remains.jobs.length > calls && expected.isWhole !== false
      ? [`${calls} keys made ${remains.jobs.length} jobs`]
      : [];
  const kept = new Map(
    remains.keys.map((row) => [
      [row.team_id, row.owner_id, row.tool, row.key].join(' '),
      row.job_id,
    ]),
  );
  const other = keyed
    .filter((entry) => (kept.get(nameOf(entry)) ?? entry.value.job) !== entry.value.job)
    .map((entry) => `${nameOf(entry)} is kept for another job`);
  return [...wrong, ...double, ...many, ...other];
}

function teamsAreApart({ entries, remains }: Run): string[] {
  const teamOf = new Map(done(entries, 'submit').map(({ deed, value }) => [value.job, deed.team]));
  const seen = done(entries, 'poll')
    .filter(
      ({ deed, value }) => value !== null && (teamOf.get(deed.job) ?? deed.team) !== deed.team,
    )
    .map(({ deed }) => `${deed.team} saw ${deed.job}`);
  const listed = done(entries, 'list').flatMap(({ deed, value }) =>
    value.jobs
      .filter((job) => (teamOf.get(job) ?? deed.team) !== deed.team)
      .map((job) => `${deed.team} listed ${job}`),
  );
  const probes = Map.groupBy(done(entries, 'probe'), ({ deed }) => deed.method);
  const told = [...probes].flatMap(([method, group]) => {
    const answers = new Set(group.map(({ value }) => value.answer));
    return answers.size > 1
      ? [
          `${method} answers ${answers.size} ways: ${[...answers].slice(0, 2).join(' / ').slice(0, 300)}`,
        ]
      : [];
  });
  const moved = remains.jobs
    .filter(({ id, team_id: team }) => (teamOf.get(id) ?? team) !== team)
    .map(({ id }) => `${id} changed its team`);
  return [...seen, ...listed, ...told, ...moved];
}

function everyJobEnds({ remains, expected }: Run): string[] {
  if (expected.isDrained === false) return [];
  return remains.jobs
    .filter(({ status }) => !isFinal(status))
    .map(({ id, status, runs }) => `${id} is still ${status} after ${runs} runs`);
}

function floodIsBounded({ entries, expected }: Run): string[] {
  const { fair } = expected;
  if (!fair) return [];
  return done(entries, 'start')
    .filter(({ deed, value }) => deed.team !== fair.flood && value.waitedMs > fair.maxMs)
    .map(
      ({ deed, value }) => `${deed.job} of ${deed.team} waited ${Math.round(value.waitedMs)} ms`,
    );
}

function secretsStaySecret({ remains, expected }: Run): string[] {
  return Object.entries(remains.texts).flatMap(([place, text]) =>
    (expected.secrets ?? [])
      .filter((secret) => text.includes(secret))
      .map((secret) => `${secret.slice(0, 4)}… stands in ${place}`),
  );
}

function refusedIsNotDone({ entries, remains, expected }: Run): string[] {
  const acked = new Set(done(entries, 'submit').map(({ deed }) => deed.args));
  const open = new Set(
    of(entries, 'submit')
      .filter(({ outcome }) => outcome === 'unknown')
      .map(({ deed }) => deed.args),
  );
  const kept = new Set(remains.jobs.map(({ input }) => input));
  const refused = of(entries, 'submit')
    .filter(
      ({ outcome, deed }) => outcome === 'fail' && !acked.has(deed.args) && !open.has(deed.args),
    )
    .filter(({ deed }) => kept.has(deed.args))
    .map(({ deed, why }) => `${deed.args.slice(0, 80)} was refused (${why}) and is there`);
  if (expected.isWhole === false) return refused;
  const cancels = Map.groupBy(of(entries, 'cancel'), ({ deed }) => deed.job);
  const unasked = remains.jobs
    .filter(({ id, status }) => {
      const isRefused = cancels.get(id)?.every(({ outcome }) => outcome === 'fail') ?? false;
      return status === 'cancelled' && isRefused;
    })
    .map(({ id }) => `cancelling ${id} was refused, and it is cancelled`);
  const known = new Set(of(entries, 'submit').map(({ deed }) => deed.args));
  const fromNowhere = remains.jobs
    .filter(({ input }) => input !== null && known.size > 0 && !known.has(input))
    .map(({ id }) => `${id} was never submitted`);
  return [...refused, ...unasked, ...fromNowhere];
}

function oldEpochIsFenced({ entries }: Run): string[] {
  const claims = done(entries, 'claim');
  return done(entries, 'restore').flatMap(({ invokedAt }) => {
    const before = claims.filter((claim) => claim.invokedAt < invokedAt);
    const leases = new Set(before.map(({ value }) => value.lease));
    return done(entries, 'settle')
      .filter((settle) => settle.invokedAt > invokedAt && settle.value.applied)
      .filter(({ deed }) => leases.has(deed.lease))
      .map(({ deed }) => `${deed.job} was written under a lease of before`);
  });
}

/** What the Tasks extension may say beside each status. */
const BESIDE: Readonly<Record<View['status'], readonly string[]>> = {
  queued: ['working'],
  running: ['working', 'input_required'],
  completed: ['completed'],
  failed: ['failed', 'cancelled', 'completed'],
};

function viewsAgree({ entries }: Run): string[] {
  return [...sightings(entries)].flatMap(([job, polls]) =>
    polls
      .filter(({ value }) => typeof value.task === 'string')
      .filter(({ value }) => !BESIDE[value.status].includes(value.task ?? ''))
      .map(({ value }) => `${job} is ${value.status} in one and ${value.task} in the other`),
  );
}
