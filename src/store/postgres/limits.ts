/**
 * Running limits on PostgreSQL. Of the jobs that were delivered those with a free slot are claimed;
 * the others are held without a delivery, and the end of a run delivers the next one again in its
 * own transaction. Where limits have changed, claims and the sweep deliver them.
 */
import { monotonic } from '../../job/clock.ts';
import type { ChangeNotice, RunningLimits } from '../store.ts';
import type { Row } from '../job-row.ts';
import type { Database } from './database.ts';
import type { Transaction } from './transaction.ts';
import type { Deliveries, Hint } from './deliveries.ts';
import * as sql from './limit-statements.ts';
import { dueOf, rowsParam } from './rows.ts';

/** Jobs that are let go at once, about. */
const LET_GO_MAX = 1_000;
/** How often somebody looks whether there is room that nobody has told of. */
const LOOK_MS = 10_000;

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
  #looksAt = 0;
  /** When a claim next looks for held jobs of a tool that it knows no limit of. */
  readonly #freesAt = new Map<string, number>();

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

  /**
   * Deliver what is held although there is room: a limit was raised, say, and one of the jobs has
   * been let go to find out.
   */
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

  /**
   * For the sweep: deliver what no end of a run will let go. Now and then also one job of whatever
   * is held, so that a claim decides by the limits of now.
   */
  async letGoStranded(): Promise<number> {
    const isLook = monotonic() >= this.#looksAt;
    if (isLook) this.#looksAt = monotonic() + LOOK_MS;
    const lanes = (await this.#heldLanes()).filter((lane) => lane['due'] === 0);
    const stranded = lanes.filter((lane) => lane['running'] === 0);
    const full = lanes.filter((lane) => isLook && lane['running'] === 1);
    const delivered = await this.#letGoLanes(stranded, LET_GO_MAX);
    return delivered.length + (await this.#letGoLanes(full, full.length)).length;
  }

  /** For a claim that knows no limit of these tools: now and then deliver what is held of them. */
  async letGoFree(tools: readonly string[]): Promise<ChangeNotice[]> {
    const at = monotonic();
    const asked = tools.filter((tool) => at >= (this.#freesAt.get(tool) ?? 0));
    if (asked.length === 0) return [];
    for (const tool of asked) this.#freesAt.set(tool, at + LOOK_MS);
    const lanes = (await this.#heldLanes()).filter((lane) =>
      asked.includes(lane['tool'] as string),
    );
    return this.#letGoLanes(lanes, LET_GO_MAX);
  }

  #heldLanes(): Promise<Row[]> {
    return this.#options.database.transaction(async (tx) => (await tx.read(sql.HELD_LANES)).rows);
  }

  /** At least one job of each lane, and about `max` in all. */
  async #letGoLanes(lanes: readonly Row[], max: number): Promise<ChangeNotice[]> {
    const { database, deliveries } = this.#options;
    const most = Math.max(1, Math.floor(max / lanes.length));
    const notices: ChangeNotice[] = [];
    for (const [tool, found] of Map.groupBy(lanes, (lane) => lane['tool'] as string)) {
      const teams = found.map((lane) => lane['team_id'] as string);
      await deliveries.prepare([tool]);
      const woken = await database.transaction(async (tx) => {
        await tx.run(sql.LOCK_TEAMS, { teams });
        const given = rowsParam(teams.map((team) => ({ team, most })));
        const { rows } = await tx.run(sql.RELEASE_LANES, { tool, rows: given });
        return this.#deliver(tx, rows);
      });
      notices.push(...woken);
    }
    return notices;
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
