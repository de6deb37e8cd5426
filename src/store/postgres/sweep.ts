/**
 * What time does to jobs: leases end, workers die, nobody answers, no worker knows the tool,
 * deliveries get lost, rows grow old. A pass is bounded, and any number of processes may make one:
 * what it moves is guarded like every other write.
 */
import { parsedOr } from '../../job/json.ts';
import { expire, handBack, type Change } from '../../job/transitions.ts';
import { isDead } from '../process-identity.ts';
import type { Applied, SweepOptions, SweepResult } from '../store.ts';
import { jobOf, type Row } from '../job-row.ts';
import type { Database } from './database.ts';
import type { Deliveries } from './deliveries.ts';
import type { Limits } from './limits.ts';
import { dueOf } from './rows.ts';
import * as sql from './statements.ts';

/** A worker that has not beaten for this long does not count as living. */
export const BEAT_LOST_MS = 30_000;
/** A worker that has not beaten for this long is forgotten. */
const FORGET_MS = 3_600_000;
/** A job that has been due for longer is delivered again, should its delivery have been lost. */
const OVERDUE_MS = 60_000;
const OVERDUE_LIMIT = 1_000;

export interface SweepParts {
  readonly database: Database;
  readonly deliveries: Deliveries;
  readonly limits: Limits;
  readonly apply: (id: string, change: Change) => Promise<Applied>;
  /** Jobs were delivered again. */
  readonly onDelivered: () => void;
}

interface Worker {
  readonly id: string;
  readonly tools: readonly string[];
  readonly isDead: boolean;
  /** Whether somebody lives who knows how it ended, and settles its jobs. */
  readonly isSupervised: boolean;
  readonly silentMs: number;
}

export class Sweep {
  readonly #parts: SweepParts;
  /** Where the next page of overdue jobs begins. */
  #since = -1;
  #after = '';

  constructor(parts: SweepParts) {
    this.#parts = parts;
  }

  async pass(options: SweepOptions): Promise<SweepResult> {
    const { database } = this.#parts;
    const workers = (await database.query(sql.WORKERS)).map(workerOf);
    await database.query(sql.WAKE_RESTING);
    const moved = [
      ...(await this.#takeBack(workers, options.isRestored ?? false)),
      ...(await this.#endUnanswered()),
      ...(await this.#endUnknownTools(workers, options.toolMissingMs)),
    ];
    await this.#deliverAgain();
    if ((await this.#parts.limits.letGoStranded()) > 0) this.#parts.onDelivered();
    for (const { id, isDead: dead, isSupervised, silentMs } of workers) {
      if ((dead && !isSupervised) || silentMs > FORGET_MS) {
        await database.query(sql.FORGET_WORKER, { id });
      }
    }
    await database.query(sql.PURGE_KEYS);
    const purged = await database.query(sql.PURGE, { retentionMs: options.retentionMs });
    return { moved, purged: purged.length };
  }

  async #takeBack(workers: readonly Worker[], isRestored: boolean): Promise<string[]> {
    const dead = workers.filter((w) => w.isDead && !w.isSupervised).map(({ id }) => id);
    const rows = await this.#parts.database.query(sql.EXPIRED, { dead, all: isRestored ? 1 : 0 });
    // Nobody saw how the run ended, so no fault is counted; the runs are.
    return this.#move(rows.map(jobOf).map((job) => [job.id, handBack(job)]));
  }

  async #endUnanswered(): Promise<string[]> {
    const rows = await this.#parts.database.query(sql.OVERDUE_WAITING);
    return this.#move(rows.map((row) => ending(row, 'waiting', 'INPUT_TIMEOUT')));
  }

  /** Only the time in which workers lived counts: workers that were down end nobody's job. */
  async #endUnknownTools(workers: readonly Worker[], missingMs: number): Promise<string[]> {
    const { database } = this.#parts;
    const living = workers.filter((w) => !w.isDead && w.silentMs < BEAT_LOST_MS);
    const known = new Set(living.flatMap(({ tools }) => tools));
    const queued = (await database.query(sql.QUEUED_TOOLS)).map((row) => row['tool'] as string);
    const missing = living.length === 0 ? [] : queued.filter((tool) => !known.has(tool));
    const marks = new Map(
      (await database.query(sql.MISSING_TOOLS)).map((row) => [
        row['tool'] as string,
        row['missing_ms'] as number,
      ]),
    );
    for (const tool of marks.keys()) {
      if (!missing.includes(tool)) await database.query(sql.UNMARK_MISSING, { tool });
    }
    const moved: string[] = [];
    for (const tool of missing) {
      const since = marks.get(tool);
      if (since === undefined) await database.query(sql.MARK_MISSING, { tool });
      else if (since >= missingMs) {
        const rows = await database.query(sql.QUEUED_OF, { tool, limit: 100 });
        moved.push(
          ...(await this.#move(rows.map((row) => ending(row, 'queued', 'TOOL_UNAVAILABLE')))),
        );
      }
    }
    return moved;
  }

  /** The row is the truth: what it says is due is delivered, whatever became of its delivery. */
  async #deliverAgain(): Promise<void> {
    const { database, deliveries, onDelivered } = this.#parts;
    const page = { overdueMs: OVERDUE_MS, since: this.#since, after: this.#after };
    const rows = await database.query(sql.OVERDUE, { ...page, limit: OVERDUE_LIMIT });
    const last = rows.length < OVERDUE_LIMIT ? undefined : rows.at(-1);
    this.#since = (last?.['due_since'] as number | undefined) ?? -1;
    this.#after = (last?.['id'] as string | undefined) ?? '';
    if (rows.length === 0) return;
    await deliveries.prepare(new Set(rows.map((row) => row['tool'] as string)));
    await database.transaction((tx) =>
      deliveries.send(
        tx,
        rows.map((row) => dueOf(row)),
      ),
    );
    onDelivered();
  }

  async #move(changes: readonly (readonly [string, Change])[]): Promise<string[]> {
    const moved = await Promise.all(
      changes.map(async ([id, change]) => {
        const { outcome } = await this.#parts.apply(id, change);
        return outcome === 'applied' ? [id] : [];
      }),
    );
    return moved.flat();
  }
}

function ending(
  row: Row,
  from: 'waiting' | 'queued',
  code: 'INPUT_TIMEOUT' | 'TOOL_UNAVAILABLE',
): [string, Change] {
  return [row['id'] as string, expire(from, code, row['request_id'] as string)];
}

function workerOf(row: Row): Worker {
  const [process, supervisor] = [row['process'] as string, row['supervisor'] as string];
  return {
    id: row['id'] as string,
    tools: parsedOr<string[]>(row['tools'], []),
    isDead: isDead(process),
    isSupervised: supervisor !== process && !isDead(supervisor),
    silentMs: row['silent_ms'] as number,
  };
}
