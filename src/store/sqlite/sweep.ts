/**
 * What time does to jobs: leases end, workers die, nobody answers, no worker knows the tool, rows
 * grow old. One pass is one member of a commit, and bounded.
 */
import type { DatabaseSync } from 'node:sqlite';
import { bootId, monotonic, now, patientNow, rememberWall } from '../../job/clock.ts';
import { parsedOr } from '../../job/json.ts';
import { expire, handBack } from '../../job/transitions.ts';
import { isDead } from '../process-identity.ts';
import type { SweepOptions, SweepResult } from '../store.ts';
import { Prepared } from './connection.ts';
import type { Operations } from './operations.ts';
import { jobOf, type Row } from '../job-row.ts';
import * as sql from './statements.ts';

/** A worker that has not beaten for this long does not count as living. */
export const BEAT_LOST_MS = 30_000;
/** A worker that has not beaten for this long is forgotten. */
const FORGET_MS = 3_600_000;

interface Worker {
  readonly id: string;
  readonly tools: readonly string[];
  readonly dead: boolean;
  /** Whether somebody lives who knows how it ended, and settles its jobs. */
  readonly supervised: boolean;
  readonly silentMs: number;
}

export class Sweep {
  readonly #prepared: Prepared;
  readonly #operations: Operations;

  constructor(db: DatabaseSync, operations: Operations) {
    this.#prepared = new Prepared(db);
    this.#operations = operations;
    for (const { at } of this.#all(sql.NEWEST_END, {}))
      if (typeof at === 'number') rememberWall(at);
  }

  pass(options: SweepOptions): SweepResult {
    const before = this.#operations.changed.length;
    const workers = this.#workers();
    this.#run(sql.WAKE_RESTING, { mono: monotonic(), boot: bootId() });
    this.#takeBack(workers, options.isRestored ?? false);
    this.#endUnanswered();
    this.#endUnknownTools(workers, options.toolMissingMs);
    this.#operations.letGoStranded();
    this.#forget(workers);
    this.#run(sql.PURGE_KEYS, { now: patientNow() });
    const purged = this.#run(sql.PURGE, { before: patientNow() - options.retentionMs });
    return { moved: this.#operations.changed.slice(before).map(({ id }) => id), purged };
  }

  #takeBack(workers: ReadonlyMap<string, Worker>, isRestored: boolean): void {
    for (const row of this.#all(sql.RUNNING, {})) {
      const worker = workers.get(row['worker'] as string);
      const orphan = worker !== undefined && worker.dead && !worker.supervised;
      const expired =
        row['lease_boot'] !== bootId() || (row['lease_until'] as number) <= monotonic();
      if (!orphan && !expired && !isRestored) continue;
      // Nobody saw how the run ended, so no fault is counted; the runs are.
      const job = jobOf(row);
      this.#operations.apply(job.id, handBack(job), null);
    }
  }

  #endUnanswered(): void {
    const times = { now: now(), patient: patientNow(), boot: bootId(), mono: monotonic() };
    for (const row of this.#all(sql.OVERDUE_WAITING, times)) {
      const change = expire('waiting', 'INPUT_TIMEOUT', row['request_id'] as string);
      this.#operations.apply(row['id'] as string, change, null);
    }
  }

  /** Only the time in which workers lived counts: a server that was down ends nobody's job. */
  #endUnknownTools(workers: ReadonlyMap<string, Worker>, missingMs: number): void {
    const living = [...workers.values()].filter((w) => !w.dead && w.silentMs < BEAT_LOST_MS);
    const known = new Set(living.flatMap((worker) => worker.tools));
    const queued = new Set(this.#queuedTools());
    const marks = new Map(
      this.#all(sql.MISSING_TOOLS, {}).map((row) => [row['tool'] as string, row]),
    );
    for (const tool of marks.keys()) {
      if (living.length > 0 && queued.has(tool) && !known.has(tool)) continue;
      this.#run(sql.UNMARK_MISSING, { tool });
    }
    if (living.length === 0) return;
    for (const tool of queued) {
      if (known.has(tool)) continue;
      const mark = marks.get(tool);
      if (!mark || mark['since_boot'] !== bootId()) {
        this.#run(sql.MARK_MISSING, { tool, boot: bootId(), mono: monotonic() });
      } else if (monotonic() - (mark['since_at'] as number) >= missingMs) this.#endQueued(tool);
    }
  }

  #endQueued(tool: string): void {
    for (const row of this.#all(sql.DUE, { tool, limit: 100 })) {
      const change = expire('queued', 'TOOL_UNAVAILABLE', row['request_id'] as string);
      this.#operations.apply(row['id'] as string, change, null);
    }
  }

  *#queuedTools(): Generator<string> {
    for (let after = ''; ;) {
      const tool = this.#all(sql.NEXT_QUEUED_TOOL, { after })[0]?.['tool'] as string | null;
      if (tool === null) return;
      yield tool;
      after = tool;
    }
  }

  #forget(workers: ReadonlyMap<string, Worker>): void {
    for (const { id, dead, supervised, silentMs } of workers.values()) {
      if ((dead && !supervised) || silentMs > FORGET_MS) this.#run(sql.FORGET_WORKER, { id });
    }
  }

  #workers(): ReadonlyMap<string, Worker> {
    return new Map(this.#all(sql.WORKERS, {}).map((row) => [row['id'] as string, workerOf(row)]));
  }

  #run(text: string, params: Record<string, string | number>): number {
    return Number(this.#prepared.get(text).run(params).changes);
  }

  #all(text: string, params: Record<string, string | number>): Row[] {
    return this.#prepared.get(text).all(params);
  }
}

function workerOf(row: Row): Worker {
  const sameBoot = row['beat_boot'] === bootId();
  const dead = !sameBoot || isDead(row['process'] as string);
  return {
    id: row['id'] as string,
    tools: parsedOr<string[]>(row['tools'], []),
    dead,
    supervised:
      sameBoot && row['supervisor'] !== row['process'] && !isDead(row['supervisor'] as string),
    silentMs: sameBoot ? monotonic() - (row['beat_at'] as number) : Infinity,
  };
}
