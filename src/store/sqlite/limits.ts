/**
 * Running limits on SQLite. One thread at a time writes, so what is counted inside the claim's own
 * transaction is exact without a lock.
 */
import { bootId } from '../../job/clock.ts';
import type { RunningLimits } from '../store.ts';
import type { Prepared } from './connection.ts';
import * as sql from './limit-statements.ts';

/** One claim holds back at most so many jobs, so that other writes get in between. */
const HOLD_MAX = 500;

export interface Candidate {
  readonly tool: string;
  readonly team_id: string;
  readonly turn: number;
}

/** The room that limits leave to one claim. */
export class Slots {
  readonly #prepared: Prepared;
  readonly #limits: RunningLimits;
  /** Free slots by what they are slots of, as counted at the first look and taken since. */
  readonly #free = new Map<string, number>();
  readonly #lanes = new Map<string, Candidate>();
  #mayHold = HOLD_MAX;

  constructor(prepared: Prepared, limits: RunningLimits) {
    this.#prepared = prepared;
    this.#limits = limits;
  }

  /** Whether this claim may hold back no more jobs, and another one has to go on. */
  get isSpent(): boolean {
    return this.#mayHold <= 0;
  }

  /** Whether a run of the tool counts for anything. */
  isLimited(tool: string): boolean {
    return this.#limits.perTeam > 0 || this.#limits.tools.has(tool);
  }

  /** Whether the tool as a whole has room. */
  hasRoom(tool: string): boolean {
    return this.#room(tool, null, this.#limits.tools.get(tool)?.max ?? 0) > 0;
  }

  /** Take a slot for the job; when its team has none, it is held, and what stands behind it. */
  take(job: Candidate): boolean {
    const { tool, team_id: team } = job;
    if (!this.hasRoom(tool)) return false;
    this.#lanes.set(nameOf(tool, team), job);
    if (this.#roomOf(job) <= 0) {
      const row = { team, tool, turn: job.turn, boot: bootId(), limit: this.#mayHold };
      if (this.#mayHold > 0) {
        this.#mayHold -= Number(this.#prepared.get(sql.HOLD).run(row).changes);
      }
      return false;
    }
    for (const name of [nameOf(tool, null), nameOf(null, team), nameOf(tool, team)]) {
      this.#free.set(name, (this.#free.get(name) ?? 0) - 1);
    }
    return true;
  }

  /** Let go what is held although there is room: a limit was raised, say. @returns their ids */
  release(): string[] {
    return [...this.#lanes.values()].flatMap((job) => {
      const { tool, team_id: team } = job;
      const limit = Math.min(this.#roomOf(job), HOLD_MAX);
      if (limit <= 0) return [];
      return idsOf(this.#prepared.get(sql.RELEASE_LANE).all({ team, tool, limit }));
    });
  }

  #roomOf({ tool, team_id: team }: Candidate): number {
    const ofTeam = this.#room(null, team, this.#limits.perTeam);
    return Math.min(ofTeam, this.#room(tool, team, this.#limits.tools.get(tool)?.perTeam ?? 0));
  }

  #room(tool: string | null, team: string | null, max: number): number {
    const name = nameOf(tool, team);
    let free = this.#free.get(name);
    if (free === undefined) {
      free = max === 0 ? Infinity : max - this.#running(tool, team, max);
      this.#free.set(name, free);
    }
    return free;
  }

  #running(tool: string | null, team: string | null, max: number): number {
    if (team === null) return this.#count(sql.RUNNING_OF_TOOL, { tool, max });
    if (tool === null) return this.#count(sql.RUNNING_OF_TEAM, { team, max });
    return this.#count(sql.RUNNING_OF_LANE, { team, tool, max });
  }

  #count(text: string, params: Record<string, string | number | null>): number {
    return Number(this.#prepared.get(text).get(params)?.['running']);
  }
}

/** A limited run has ended: let go one job of each tool of its team. @returns who may start now */
export function letGo(prepared: Prepared, team: string, tool: string): string[] {
  const released = prepared.get(sql.RELEASE).all({ team });
  return idsOf([...released, ...prepared.get(sql.FIRST_DUE).all({ tool })]);
}

/** Let go what nothing else will. @returns their ids */
export function letGoStranded(prepared: Prepared): string[] {
  const ids: string[] = [];
  for (const { team_id: team, tool } of prepared.get(sql.STRANDED).all()) {
    const limit = HOLD_MAX - ids.length;
    if (limit <= 0) break;
    ids.push(
      ...idsOf(
        prepared.get(sql.RELEASE_LANE).all({ team: team ?? null, tool: tool ?? null, limit }),
      ),
    );
  }
  return ids;
}

function nameOf(tool: string | null, team: string | null): string {
  return JSON.stringify([tool, team]);
}

function idsOf(rows: readonly Record<string, unknown>[]): string[] {
  return rows.map((row) => row['id'] as string);
}
