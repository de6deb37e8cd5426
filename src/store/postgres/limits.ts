/**
 * Running limits on PostgreSQL. Of the jobs that were delivered those with a free slot are claimed;
 * the others are held without a delivery, and the end of a run delivers the next one again in its
 * own transaction.
 */
import type { ChangeNotice, RunningLimits } from '../store.ts';
import type { Row } from '../job-row.ts';
import type { Database } from './database.ts';
import type { Transaction } from './transaction.ts';
import type { Deliveries, Hint } from './deliveries.ts';
import * as sql from './limit-statements.ts';
import { dueOf, rowsParam } from './rows.ts';

/** One pass lets go at most so many stranded jobs. */
const STRANDED_MAX = 1_000;

export interface LimitsOptions {
  readonly database: Database;
  readonly deliveries: Deliveries;
}

/** What a claim makes of the deliveries that it took. */
export interface Admitted {
  /** In the order of their turns. */
  readonly fit: readonly Hint[];
  readonly held: ReadonlySet<string>;
  /** Teams that have room left, with how many jobs fit into it. */
  readonly room: ReadonlyMap<string, number>;
}

export interface AdmitRequest {
  readonly tool: string;
  /** Most jobs to admit. */
  readonly share: number;
  readonly limits: RunningLimits;
}

export class Limits {
  readonly #options: LimitsOptions;

  constructor(options: LimitsOptions) {
    this.#options = options;
  }

  /** Tools that have room as a whole. A look without a lock, so that a full tool costs nothing more. */
  async openTools(tools: readonly string[], limits: RunningLimits): Promise<string[]> {
    const capped = tools.filter((tool) => maxOf(limits, tool) > 0);
    if (capped.length === 0) return [...tools];
    const rows = await this.#options.database.query(sql.RUNNING_OF_TOOLS, { tools: capped });
    const running = new Map(rows.map((row) => [row['tool'], row['running'] as number]));
    return tools.filter((tool) => {
      const max = maxOf(limits, tool);
      return max === 0 || (running.get(tool) ?? 0) < max;
    });
  }

  /** Free slots of a tool as a whole, exact until the transaction ends. */
  async roomOfTool(tx: Transaction, tool: string, limits: RunningLimits): Promise<number> {
    const max = maxOf(limits, tool);
    if (max === 0) return Infinity;
    await tx.run(sql.LOCK_TOOL, { tool });
    const [row] = (await tx.run(sql.RUNNING_OF_TOOLS, { tools: [tool] })).rows;
    return max - ((row?.['running'] as number | undefined) ?? 0);
  }

  /** Choose from the deliveries what may run now, and hold what may not. */
  async admit(tx: Transaction, hints: readonly Hint[], request: AdmitRequest): Promise<Admitted> {
    const ids = hints.map(({ id }) => id);
    const room = await this.#room(tx, ids, request);
    const byId = new Map(hints.map((hint) => [hint.id, hint]));
    const fit: Hint[] = [];
    const held = new Set<string>();
    for (const { id, team_id: team } of (await tx.run(sql.CANDIDATES, { ids })).rows) {
      const hint = byId.get(id as string);
      const free = room.get(team as string) ?? Infinity;
      if (free <= 0) held.add(id as string);
      else if (hint && fit.length < request.share) {
        fit.push(hint);
        room.set(team as string, free - 1);
      }
    }
    if (held.size > 0) await tx.run(sql.HOLD, { ids: [...held] });
    return { fit, held, room };
  }

  /** Free slots of the teams of these jobs, exact until the transaction ends; empty without a limit. */
  async #room(
    tx: Transaction,
    ids: readonly string[],
    { tool, limits }: AdmitRequest,
  ): Promise<Map<string, number>> {
    const ofLane = limits.tools.get(tool)?.perTeam ?? 0;
    if (limits.perTeam === 0 && ofLane === 0) return new Map();
    const teams = (await tx.run(sql.TEAMS, { ids })).rows.map((row) => row['team_id'] as string);
    await tx.run(sql.LOCK_TEAMS, { teams });
    // A statement of its own: it sees what was committed while the lock was waited for.
    const params = { teams, tool, teamMax: limits.perTeam, laneMax: ofLane };
    const { rows } = await tx.run(sql.RUNNING_OF_TEAMS, params);
    return new Map(
      rows.map((row) => [
        row['team'] as string,
        Math.min(
          limits.perTeam === 0 ? Infinity : limits.perTeam - (row['of_team'] as number),
          ofLane === 0 ? Infinity : ofLane - (row['of_lane'] as number),
        ),
      ]),
    );
  }

  /** Deliver what is held although there is room: a limit was raised, say. */
  async fill(tx: Transaction, tool: string, { room }: Admitted): Promise<ChangeNotice[]> {
    const given = [...room].flatMap(([team, most]) => (most > 0 ? [{ team, most }] : []));
    if (given.length === 0) return [];
    const { rows } = await tx.run(sql.RELEASE_LANES, { tool, rows: rowsParam(given) });
    return this.#deliver(tx, rows);
  }

  /**
   * Limited runs have ended, as `APPLY` gives them back: deliver the next jobs of their teams.
   *
   * @returns jobs that may start when the transaction is committed
   */
  async letGo(tx: Transaction, moved: readonly Row[]): Promise<ChangeNotice[]> {
    const ended = moved.filter((row) => row['limited_team'] !== null);
    if (ended.length === 0) return [];
    const teams = Map.groupBy(ended, (row) => row['limited_team'] as string);
    await tx.run(sql.LOCK_TEAMS, { teams: [...teams.keys()] });
    const given = [...teams].map(([team, rows]) => ({ team, ended: rows.length }));
    const { rows } = await tx.run(sql.RELEASE, { rows: rowsParam(given) });
    const woken = await this.#deliver(tx, rows);
    const tools = [...new Set(ended.map((row) => row['tool'] as string))];
    const first = (await tx.run(sql.FIRST_DUE, { tools })).rows;
    return [...woken, ...first.map(toNotice)];
  }

  /** Deliver what nothing else will let go. */
  async letGoStranded(): Promise<number> {
    const { database, deliveries } = this.#options;
    let left = STRANDED_MAX;
    for (const { team_id: team, tool } of await database.query(sql.STRANDED)) {
      if (left <= 0) break;
      await deliveries.prepare([tool as string]);
      left -= await database.transaction(async (tx) => {
        await tx.run(sql.LOCK_TEAMS, { teams: [team as string] });
        const given = rowsParam([{ team, most: left }]);
        const { rows } = await tx.run(sql.RELEASE_LANES, { tool: tool as string, rows: given });
        return (await this.#deliver(tx, rows)).length;
      });
    }
    return STRANDED_MAX - left;
  }

  async #deliver(tx: Transaction, rows: readonly Row[]): Promise<ChangeNotice[]> {
    await this.#options.deliveries.send(
      tx,
      rows.map((row) => dueOf(row)),
    );
    return rows.map(toNotice);
  }
}

/** Whether a run of the tool counts for anything. */
export function isLimited(limits: RunningLimits, tool: string): boolean {
  return limits.perTeam > 0 || limits.tools.has(tool);
}

function maxOf(limits: RunningLimits, tool: string): number {
  return limits.tools.get(tool)?.max ?? 0;
}

function toNotice(row: Row): ChangeNotice {
  return { id: row['id'] as string, status: 'queued' };
}
