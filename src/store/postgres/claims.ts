/**
 * Handing out: pg-boss says which deliveries are ours, our own guarded write decides whether they
 * still mean anything. Both happen in one transaction, so a delivery is never lost with a claim.
 */
import { newLease } from '../../job/ids.ts';
import { RUNS_MAX, type Job } from '../../job/job.ts';
import { expire, type Change } from '../../job/transitions.ts';
import type { Claimed, ClaimRequest } from '../store.ts';
import { jobOf, type Row } from '../job-row.ts';
import type { Database, Transaction } from './database.ts';
import type { Deliveries, Hint } from './deliveries.ts';
import { dueOf, rowsParam } from './rows.ts';
import * as sql from './statements.ts';

export interface ClaimsOptions {
  readonly database: Database;
  readonly deliveries: Deliveries;
  /** End a job in a transaction of its own. */
  readonly end: (id: string, change: Change) => Promise<unknown>;
}

/** Deliveries may turn out to mean nothing any more; then we look again, this often. */
const ROUNDS_MAX = 20;

interface Round {
  readonly jobs: readonly Job[];
  /** Whether deliveries were taken that did not lead to a job, so that others may follow. */
  readonly isShort: boolean;
  readonly exhausted: readonly { readonly id: string; readonly requestId: string }[];
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
    for (let round = 0; round < ROUNDS_MAX && jobs.length < request.limit; round += 1) {
      const rest = {
        ...request,
        limit: request.limit - jobs.length,
        idle: request.idle && jobs.length === 0,
      };
      const found = await this.#round(rest);
      jobs.push(...found.jobs);
      if (!found.isShort) break;
    }
    const isFull = jobs.length >= request.limit;
    this.#isBusy = isFull;
    return {
      jobs: await this.#withInputs(jobs),
      // A worker without a free slot asks again when it has one.
      nextDueMs: isFull ? null : await this.#nextDueMs(request.tools),
    };
  }

  async #round(request: ClaimRequest): Promise<Round> {
    const { database, end } = this.#options;
    const shares = await this.#shares(request);
    if (shares.size === 0) return { jobs: [], isShort: false, exhausted: [] };
    const round = await database.transaction((tx) => this.#take(tx, request, shares));
    for (const { id, requestId } of round.exhausted) {
      await end(id, expire('queued', 'RUNS_EXHAUSTED', requestId));
    }
    return round;
  }

  /**
   * How many to take of each tool: tools take turns, beginning behind the one that was served last.
   * Stops before a job that has to wait to be alone.
   */
  async #shares({ tools, limit, idle }: ClaimRequest): Promise<ReadonlyMap<string, number>> {
    const [only] = tools;
    if (tools.length === 1 && only !== undefined && this.#isBusy) return new Map([[only, limit]]);
    const next = tools.indexOf(this.#servedLast) + 1;
    const order = [...tools.slice(next), ...tools.slice(0, next)];
    const due = await this.#options.database.query(sql.DUE, { tools: order, limit });
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
      const claimed = await claimRows(tx, hints, { ...request, idle });
      jobs.push(...claimed);
      await deliveries.settle(tx, tool, hints);
      const left = hints.filter(({ id }) => !claimed.some((job) => job.id === id));
      if (left.length === 0) continue;
      const { again, ended } = await sortLeft(tx, left, tool);
      exhausted.push(...ended);
      await deliveries.send(tx, again);
      // What has to wait for a worker that is idle keeps its place, and whatever is behind it waits.
      isShort ||= again.length < left.length;
    }
    return { jobs, isShort, exhausted };
  }

  async #withInputs(jobs: readonly Job[]): Promise<Job[]> {
    const apart = jobs.filter(({ input }) => input === null).map(({ id }) => id);
    if (apart.length === 0) return [...jobs];
    const rows = await this.#options.database.query(sql.INPUT_APART, { ids: apart });
    const bodies = new Map(rows.map((row) => [row['job_id'], row['body'] as string]));
    return jobs.map((job) => ({ ...job, input: job.input ?? bodies.get(job.id) ?? null }));
  }

  async #nextDueMs(tools: readonly string[]): Promise<number | null> {
    const [row] = await this.#options.database.query(sql.NEXT_DUE, { tools });
    const ms = (row?.['ms'] as number | null | undefined) ?? null;
    return ms === null ? null : Math.max(0, ms);
  }
}

async function claimRows(
  tx: Transaction,
  hints: readonly Hint[],
  { leaseMs, worker, idle }: ClaimRequest,
): Promise<Job[]> {
  const rows = rowsParam(hints.map(({ id, run }) => ({ id, run, lease: newLease() })));
  const params = { rows, runsMax: RUNS_MAX, leaseMs, worker, idle: idle ? 1 : 0 };
  const claimed = (await tx.run(sql.CLAIM, params)).rows;
  return claimed.toSorted(byTurn).map(jobOf);
}

function byTurn(a: Row, b: Row): number {
  const turns = (a['turn'] as number) - (b['turn'] as number);
  return turns || ((a['id'] as string) < (b['id'] as string) ? -1 : 1);
}

/** Of hints that led to no job: those to deliver again, and jobs that were begun too often. */
async function sortLeft(tx: Transaction, left: readonly Hint[], tool: string) {
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
