/** Submissions that wait at the same time share a commit: job rows, keys, payloads and deliveries. */
import { JobError } from '../../job/errors.ts';
import type { IdempotencyKey, Job, NewJob } from '../../job/job.ts';
import type { Replay } from '../store.ts';
import { insertedJob, replayOf, type Row } from '../job-row.ts';
import type { Database } from './database.ts';
import type { Transaction } from './transaction.ts';
import type { Deliveries } from './deliveries.ts';
import type { Outcome } from './group.ts';
import { keyName, rowsParam } from './rows.ts';
import * as sql from './statements.ts';

export interface Submission {
  readonly job: NewJob;
  readonly outstandingMax: number;
  readonly key: IdempotencyKey | null;
}

/** The job, or what its key stood for before. */
export type Submitted = { readonly job: Job } | { readonly replay: Replay };

export interface SubmissionsOptions {
  readonly database: Database;
  readonly deliveries: Deliveries;
  /** Inputs of more bytes are kept apart from their row. */
  readonly inlineBytesMax: number;
}

/** Below the cap by more than this, what others submit at the same time cannot pass it. */
const CAP_MARGIN = 2_048;

export class Submissions {
  readonly #options: SubmissionsOptions;

  constructor(options: SubmissionsOptions) {
    this.#options = options;
  }

  /** Two with the same key never share a commit, so that the second finds what the first wrote. */
  nameOf({ job, key }: Submission): string {
    return key ? keyName(job, key) : job.id;
  }

  async write(members: readonly Submission[]): Promise<Outcome<Submitted>[]> {
    const { database, deliveries } = this.#options;
    await deliveries.prepare(new Set(members.map(({ job }) => job.tool)));
    return database.transaction((tx) => this.#insert(tx, members));
  }

  async #insert(tx: Transaction, members: readonly Submission[]): Promise<Outcome<Submitted>[]> {
    const outcomes = new Map<Submission, Outcome<Submitted>>();
    const left = () => members.filter((member) => !outcomes.has(member));
    await this.#replay(tx, left(), outcomes);
    await this.#refuse(tx, left(), outcomes);
    await this.#takeKeys(tx, left(), outcomes);
    await this.#insertJobs(tx, left(), outcomes);
    return members.map((member) => outcomes.get(member) ?? missing());
  }

  /** What stands under a key already is answered again, even to a team that may submit no more. */
  async #replay(
    tx: Transaction,
    members: readonly Submission[],
    outcomes: Outcomes,
  ): Promise<void> {
    const rows = members.flatMap((member, place) => keyRow(member, place) ?? []);
    if (rows.length === 0) return;
    for (const row of (await tx.read(sql.KEYS, { rows: rowsParam(rows) })).rows) {
      const member = members[row['place'] as number];
      if (member) outcomes.set(member, { ok: true, value: { replay: replayOf(row) } });
    }
  }

  async #refuse(
    tx: Transaction,
    members: readonly Submission[],
    outcomes: Outcomes,
  ): Promise<void> {
    const capped = members.filter(({ outstandingMax }) => outstandingMax > 0);
    if (capped.length === 0) return;
    const caps = new Map(capped.map(({ job, outstandingMax }) => [job.team, outstandingMax]));
    const open = await countOpen(tx, caps);
    const near = [...caps].filter(([team, max]) => (open.get(team) ?? 0) > max - CAP_MARGIN);
    if (near.length > 0) {
      // Always in the same order, so that two commits never wait for each other.
      for (const [team] of near.toSorted(([a], [b]) => (a < b ? -1 : 1))) {
        await tx.run(sql.LOCK_TEAM, { team });
      }
      for (const [team, count] of await countOpen(tx, new Map(near))) open.set(team, count);
    }
    for (const member of capped) {
      const { team } = member.job;
      const count = open.get(team) ?? 0;
      if (count < member.outstandingMax) open.set(team, count + 1);
      else outcomes.set(member, { ok: false, error: tooMany(member.outstandingMax) });
    }
  }

  async #takeKeys(
    tx: Transaction,
    members: readonly Submission[],
    outcomes: Outcomes,
  ): Promise<void> {
    const rows = members.flatMap((member, place) => keyRow(member, place) ?? []);
    if (rows.length === 0) return;
    const { rows: found } = await tx.run(sql.TAKE_KEY, { rows: rowsParam(rows) });
    const taken = new Set(found.map((row) => row['job_id']));
    // Another process was faster between our look and our write.
    const lost = members.filter(({ job, key }) => key && !taken.has(job.id));
    await this.#replay(tx, lost, outcomes);
    for (const member of lost) {
      if (!outcomes.has(member))
        outcomes.set(member, { ok: false, error: new JobError('STORE_BUSY') });
    }
  }

  async #insertJobs(
    tx: Transaction,
    members: readonly Submission[],
    outcomes: Outcomes,
  ): Promise<void> {
    if (members.length === 0) return;
    const { deliveries, inlineBytesMax } = this.#options;
    const turnOf = await nextTurns(tx, members);
    const apart: object[] = [];
    const rows = members.map(({ job }) => ({ ...job, turn: turnOf(job) }));
    const given = rows.map((row) => {
      if (Buffer.byteLength(row.input) <= inlineBytesMax) return row;
      apart.push({ id: row.id, kind: 'input', body: row.input });
      return { ...row, input: null };
    });
    void tx.post(sql.INSERT, { rows: rowsParam(given) });
    if (apart.length > 0) void tx.post(sql.INSERT_PAYLOAD, { rows: rowsParam(apart) });
    await deliveries.send(
      tx,
      rows.map(({ id, tool, turn }) => ({ id, tool, turn, runs: 0 })),
    );
    for (const [index, member] of members.entries()) {
      const job = insertedJob(member.job, given[index]?.input === null);
      outcomes.set(member, { ok: true, value: { job } });
    }
  }
}

type Outcomes = Map<Submission, Outcome<Submitted>>;

function keyRow({ job, key }: Submission, place: number): object | null {
  if (!key) return null;
  const { team, owner, tool, id } = job;
  return { place, team, owner, tool, jobId: id, ...key };
}

async function countOpen(
  tx: Transaction,
  caps: ReadonlyMap<string, number>,
): Promise<Map<string, number>> {
  const rows = rowsParam([...caps].map(([team, max]) => ({ team, max })));
  const counted = await tx.read(sql.COUNT_OPEN, { rows });
  return new Map(counted.rows.map((row) => [row['team'] as string, row['open'] as number]));
}

/** The turn of each new job: one look per team and tool, then counting on. */
async function nextTurns(
  tx: Transaction,
  members: readonly Submission[],
): Promise<(job: NewJob) => number> {
  const name = (team: string, tool: string) => JSON.stringify([team, tool]);
  const pairs = new Map(
    members.map(({ job: { team, tool } }) => [name(team, tool), { team, tool }]),
  );
  const { rows } = await tx.read(sql.NEXT_TURN, { rows: rowsParam([...pairs.values()]) });
  const next = new Map(rows.map((row: Row) => [nameOfRow(row), row['turn'] as number]));
  function nameOfRow(row: Row): string {
    return name(row['team'] as string, row['tool'] as string);
  }
  return ({ team, tool }) => {
    const turn = next.get(name(team, tool)) ?? 0;
    next.set(name(team, tool), turn + 1);
    return turn;
  };
}

function tooMany(max: number): JobError {
  return new JobError('RATE_LIMITED', {
    message: `The team has ${max} jobs that are not finished, which is the most it may have.`,
    remediation: 'Wait until some have finished, or cancel some, then call again.',
    context: { retry_after_seconds: 30, outstanding_max: max },
  });
}

function missing(): Outcome<never> {
  return { ok: false, error: new Error('an inserted job was not given back') };
}
