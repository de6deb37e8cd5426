/**
 * Handing out: pg-boss says which deliveries are ours, our own guarded write decides whether they
 * still mean anything. Both happen in one transaction, so a delivery is never lost with a claim.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { newLease } from '../../job/ids.ts';
import { RUNS_MAX, type Job } from '../../job/job.ts';
import { expire, type Change } from '../../job/transitions.ts';
import type { ChangeNotice, Claimed, ClaimRequest, RunningLimits } from '../store.ts';
import { jobOf, type Row } from '../job-row.ts';
import type { Database } from './database.ts';
import type { Rows, Transaction } from './transaction.ts';
import type { Deliveries, Hint } from './deliveries.ts';
import { isLimited, type Limits } from './limits.ts';
import { dueOf, rowsParam } from './rows.ts';
import * as sql from './statements.ts';

export interface ClaimsOptions {
  readonly database: Database;
  readonly deliveries: Deliveries;
  readonly limits: Limits;
  /** End a job in a transaction of its own. */
  readonly end: (id: string, change: Change) => Promise<unknown>;
  /** Tell of jobs that may start now. */
  readonly tell: (notices: readonly ChangeNotice[]) => void;
}

/** Deliveries may turn out to mean nothing any more; then we look again, this often. */
const ROUNDS_MAX = 20;
/** Most deliveries that one round looks through for jobs that limits let run. */
const LOOK_MAX = 200;
/** Jobs that are claimed wait no longer than this for anything else: their leases run. */
const IN_HAND_MS = 500;

interface Round {
  readonly jobs: readonly Job[];
  /** Whether deliveries were taken that did not lead to a job, so that others may follow. */
  readonly isShort: boolean;
  readonly exhausted: readonly { readonly id: string; readonly requestId: string }[];
  /**
   * When the next resting job is due; not asked by a worker without a free slot, who comes again.
   * Answered when the round is: a commit waits for what was sent along with it, and fails with it.
   */
  readonly resting: Promise<Rows> | null;
}

type Look = (params: { tools: readonly string[]; limit: number }) => Promise<readonly Row[]>;

/** What may be claimed of one tool. */
interface Share {
  readonly tool: string;
  readonly most: number;
  /** Deliveries to look through; those that lead to no claim are delivered again. */
  readonly look: number;
  readonly limits: RunningLimits;
}

export class Claims {
  readonly #options: ClaimsOptions;
  #servedLast = '';
  /** Whether there was as much to claim as was asked for: then there is more, most likely. */
  #isBusy = false;

  constructor(options: ClaimsOptions) {
    this.#options = options;
  }

  async claim(request: ClaimRequest): Promise<Claimed> {
    if (request.tools.length === 0) return { jobs: [], nextDueMs: null };
    await this.#options.deliveries.prepare(request.tools);
    const jobs: Job[] = [];
    let isShort = true;
    let resting: Round['resting'] = null;
    for (let round = 0; isShort && round < ROUNDS_MAX && jobs.length < request.limit; round += 1) {
      const rest = {
        ...request,
        limit: request.limit - jobs.length,
        idle: request.idle && jobs.length === 0,
      };
      try {
        if (request.limits) {
          isShort = await this.#roundWithin(rest, { limits: request.limits, round, jobs });
        } else {
          ({ isShort, resting } = await this.#round(rest, jobs));
        }
      } catch (error) {
        // What is claimed already is run, whatever becomes of the rest.
        if (jobs.length === 0) throw error;
        break;
      }
      // What was found does not wait while much is held back: its worker comes again at once.
      if (request.limits && jobs.length > 0) break;
    }
    this.#isBusy = jobs.length >= request.limit;
    // A worker without a free slot asks again when it has one.
    if (this.#isBusy) return { jobs, nextDueMs: null };
    const asked = this.#nextDueMs(request, { isShort, resting });
    return { jobs, nextDueMs: await (jobs.length > 0 && !resting ? inTime(asked) : asked) };
  }

  async #round(request: ClaimRequest, jobs: Job[]): Promise<Round> {
    this.#options.tell(await this.#options.limits.letGoFree(request.tools));
    return this.#takeAll(request, (look) => this.#shares(request, look), jobs);
  }

  async #takeAll(
    request: ClaimRequest,
    sharesOf: (look: Look) => Promise<ReadonlyMap<string, number>>,
    jobs: Job[],
  ): Promise<Round> {
    const round = await this.#options.database.transaction(async (tx) => {
      const look: Look = async (params) => (await tx.read(sql.DUE, params)).rows;
      return this.#take(tx, request, await sharesOf(look));
    });
    jobs.push(...round.jobs);
    await this.#endAll(round);
    return round;
  }

  /** The same, where limits leave room. Each limited tool has a transaction of its own, with its locks. */
  async #roundWithin(
    request: ClaimRequest,
    { limits, round, jobs }: { limits: RunningLimits; round: number; jobs: Job[] },
  ): Promise<boolean> {
    const { database, limits: running } = this.#options;
    const unlimited = request.tools.filter((tool) => !isLimited(limits, tool));
    this.#options.tell(await running.letGoFree(unlimited));
    const tools = await running.openTools(request.tools, limits);
    const look: Look = async (params) => database.query(sql.DUE, params);
    const shares = [...(await this.#shares({ ...request, tools }, look))];
    const free = new Map(shares.filter(([tool]) => !isLimited(limits, tool)));
    const takeFree = () => this.#takeAll(request, () => Promise.resolve(free), jobs);
    let isShort = free.size > 0 && (await takeFree()).isShort;
    for (const [tool, most] of shares) {
      if (!isLimited(limits, tool)) continue;
      // A team that may run no more can have much delivered: each round looks further.
      const share = { tool, most, look: Math.min(LOOK_MAX, most * 4 ** round), limits };
      const idle = request.idle && jobs.length === 0;
      const taken = await database.transaction((tx) =>
        this.#takeWithin(tx, { ...request, idle }, share),
      );
      jobs.push(...taken.jobs);
      this.#options.tell(taken.woken);
      await this.#endAll(taken);
      isShort ||= taken.isShort;
    }
    return isShort;
  }

  async #endAll({ exhausted }: Pick<Round, 'exhausted'>): Promise<void> {
    for (const { id, requestId } of exhausted) {
      await this.#options.end(id, expire('queued', 'RUNS_EXHAUSTED', requestId));
    }
  }

  /**
   * How many to take of each tool: tools take turns, beginning behind the one that was served last.
   * Stops before a job that has to wait to be alone.
   */
  async #shares(
    { tools, limit, idle }: ClaimRequest,
    look: Look,
  ): Promise<ReadonlyMap<string, number>> {
    const [only] = tools;
    if (tools.length === 1 && only !== undefined && this.#isBusy) return new Map([[only, limit]]);
    const next = tools.indexOf(this.#servedLast) + 1;
    const order = [...tools.slice(next), ...tools.slice(0, next)];
    const due = await look({ tools: order, limit });
    const queues = order.map((tool, place) =>
      due
        .filter((row) => row['place'] === place + 1)
        .map((row) => ({ tool, isAlone: row['alone'] === 1 })),
    );
    const depth = Math.max(0, ...queues.map((queue) => queue.length));
    const merged = Array.from({ length: depth }, (_, i) =>
      queues.flatMap((q) => q[i] ?? []),
    ).flat();
    const first = merged.slice(0, limit);
    const alone = first.findIndex(({ isAlone }) => isAlone);
    const chosen = alone === -1 ? first : first.slice(0, alone === 0 && idle ? 1 : alone);
    this.#servedLast = chosen.at(-1)?.tool ?? this.#servedLast;
    return new Map(
      [...Map.groupBy(chosen, ({ tool }) => tool)].map(([tool, found]) => [tool, found.length]),
    );
  }

  async #take(
    tx: Transaction,
    request: ClaimRequest,
    shares: ReadonlyMap<string, number>,
  ): Promise<Round> {
    const { deliveries } = this.#options;
    const jobs: Job[] = [];
    const exhausted: { id: string; requestId: string }[] = [];
    let isShort = false;
    for (const [tool, share] of shares) {
      const hints = await deliveries.take(tx, tool, share);
      if (hints.length === 0) continue;
      const idle = request.idle && jobs.length === 0;
      const claiming = claimRows(tx, hints, { ...request, idle, isLimited: false });
      const settling = deliveries.settle(tx, tool, hints);
      // One that fails ends the transaction, which the other must not outlive.
      await Promise.allSettled([claiming, settling]);
      const claimed = await claiming;
      await settling;
      jobs.push(...claimed);
      const left = hints.filter(({ id }) => !claimed.some((job) => job.id === id));
      if (left.length === 0) continue;
      const { again, ended } = await sortLeft(tx, left, tool);
      exhausted.push(...ended);
      await deliveries.send(tx, again);
      // What has to wait for a worker that is idle keeps its place, and whatever is behind it waits.
      isShort ||= again.length < left.length;
    }
    const isFull = jobs.length >= request.limit;
    const resting =
      isFull || request.limits ? null : tx.post(sql.NEXT_DUE, { tools: request.tools });
    return { jobs, isShort, exhausted, resting };
  }

  async #takeWithin(
    tx: Transaction,
    request: ClaimRequest,
    { tool, most, look, limits }: Share,
  ): Promise<Omit<Round, 'resting'> & { readonly woken: readonly ChangeNotice[] }> {
    const { deliveries, limits: running } = this.#options;
    const share = Math.min(most, await running.roomOfTool(tx, tool, limits));
    const hints = share > 0 ? await deliveries.take(tx, tool, Math.max(share, look)) : [];
    if (hints.length === 0) return { jobs: [], isShort: share <= 0, exhausted: [], woken: [] };
    const admitted = await running.admit(tx, hints, { tool, share, limits });
    const jobs = await claimRows(tx, admitted.fit, { ...request, isLimited: true });
    await deliveries.settle(tx, tool, hints);
    const claimed = new Set(jobs.map(({ id }) => id));
    const left = hints.filter(({ id }) => !claimed.has(id) && !admitted.held.has(id));
    const { again, ended } = await sortLeft(tx, left, tool);
    await deliveries.send(tx, again);
    const woken = await running.fill(tx, tool, admitted);
    const isShort = admitted.held.size > 0 || again.length < left.length;
    return { jobs, isShort, exhausted: ended, woken };
  }

  async #nextDueMs(
    { tools, limits }: ClaimRequest,
    { isShort, resting }: Pick<Round, 'isShort' | 'resting'>,
  ): Promise<number | null> {
    if (limits && isShort) return 0;
    const [row] = resting
      ? (await resting).rows
      : await this.#options.database.query(sql.NEXT_DUE, { tools });
    const ms = (row?.['ms'] as number | null | undefined) ?? null;
    return ms === null ? null : Math.max(0, ms);
  }
}

async function claimRows(
  tx: Transaction,
  hints: readonly Hint[],
  { leaseMs, worker, idle, isLimited: counted }: ClaimRequest & { readonly isLimited: boolean },
): Promise<Job[]> {
  if (hints.length === 0) return [];
  const rows = rowsParam(hints.map(({ id, run }) => ({ id, run, lease: newLease() })));
  const params = {
    rows,
    runsMax: RUNS_MAX,
    leaseMs,
    worker,
    idle: idle ? 1 : 0,
    limited: counted ? 1 : 0,
  };
  const claimed = (await tx.run(sql.CLAIM, params)).rows;
  return withInputs(tx, claimed.toSorted(byTurn).map(jobOf));
}

/** Read before the commit: a claim that cannot hand out its jobs has to be undone. */
async function withInputs(tx: Transaction, jobs: Job[]): Promise<Job[]> {
  const apart = jobs.filter(({ input }) => input === null).map(({ id }) => id);
  if (apart.length === 0) return jobs;
  const { rows } = await tx.run(sql.INPUT_APART, { ids: apart });
  const bodies = new Map(rows.map((row) => [row['job_id'], row['body'] as string]));
  return jobs.map((job) => ({ ...job, input: job.input ?? bodies.get(job.id) ?? null }));
}

/** Nothing known of the next job does no harm: workers look again by themselves. */
function inTime(asked: Promise<number | null>): Promise<number | null> {
  return Promise.race([asked.catch(() => null), pause(IN_HAND_MS, null, { ref: false })]);
}

function byTurn(a: Row, b: Row): number {
  const turns = (a['turn'] as number) - (b['turn'] as number);
  return turns || ((a['id'] as string) < (b['id'] as string) ? -1 : 1);
}

/** Of hints that led to no job: those to deliver again, and jobs that were begun too often. */
async function sortLeft(tx: Transaction, left: readonly Hint[], tool: string) {
  if (left.length === 0) return { again: [], ended: [] };
  const rows = rowsParam(left.map(({ id, run }) => ({ id, run })));
  const standing = (await tx.run(sql.UNCLAIMED, { rows })).rows;
  const isSpent = (row: Row) => (row['runs'] as number) >= RUNS_MAX;
  return {
    again: standing.filter((row) => !isSpent(row)).map((row) => dueOf({ ...row, tool })),
    ended: standing
      .filter(isSpent)
      .map((row) => ({ id: row['id'] as string, requestId: row['request_id'] as string })),
  };
}
