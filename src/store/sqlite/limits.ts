/**
 * Running limits on SQLite. One thread at a time writes, so what is counted inside the claim's own
 * transaction is exact without a lock.
 */
import { bootId, monotonic } from '../../job/clock.ts';
import type { RunningLimits } from '../store.ts';
import type { Prepared } from './connection.ts';
import * as sql from './limit-statements.ts';

/** One claim holds back at most so many jobs, so that other writes get in between. */
const HOLD_MAX = 500;
/** Jobs that are let go at once, about. */
const LET_GO_MAX = 500;
/** How often somebody looks whether there is room that nobody has told of. */
const LOOK_MS = 10_000;

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

  /**
   * Let go what is held although there is room: a limit was raised, say, and one of the jobs has been
   * let go to find out.
   *
   * @returns their ids
   */
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

interface Lane {
  readonly team_id: string;
  readonly tool: string;
  readonly running: number;
  readonly due: number;
}

/** Lets go what was held under limits that have changed. */
export class Releases {
  readonly #prepared: Prepared;
  #looksAt = 0;
  /** When a claim next looks for held jobs of a tool that it knows no limit of. */
  readonly #freesAt = new Map<string, number>();

  constructor(prepared: Prepared) {
    this.#prepared = prepared;
  }

  /**
   * For the sweep: let go what no end of a run will. Now and then also one job of whatever is held,
   * so that a claim decides by the limits of now.
   *
   * @returns their ids
   */
  stranded(): string[] {
    const isLook = monotonic() >= this.#looksAt;
    if (isLook) this.#looksAt = monotonic() + LOOK_MS;
    const lanes = this.#lanes().filter(({ due }) => due === 0);
    const stranded = lanes.filter(({ running }) => running === 0);
    const full = lanes.filter(({ running }) => isLook && running === 1);
    return [...this.#letGo(stranded, LET_GO_MAX), ...this.#letGo(full, full.length)];
  }

  /** For a claim that knows no limit of these tools: now and then let go what is held of them. */
  free(tools: readonly string[]): string[] {
    const at = monotonic();
    const asked = tools.filter((tool) => at >= (this.#freesAt.get(tool) ?? 0));
    if (asked.length === 0) return [];
    for (const tool of asked) this.#freesAt.set(tool, at + LOOK_MS);
    const lanes = this.#lanes().filter(({ tool }) => asked.includes(tool));
    return this.#letGo(lanes, LET_GO_MAX);
  }

  #lanes(): Lane[] {
    return this.#prepared.get(sql.HELD_LANES).all() as unknown as Lane[];
  }

  /** At least one job of each lane, and about `max` in all. */
  #letGo(lanes: readonly Lane[], max: number): string[] {
    const limit = Math.max(1, Math.floor(max / lanes.length));
    return lanes.flatMap(({ team_id: team, tool }) =>
      idsOf(this.#prepared.get(sql.RELEASE_LANE).all({ team, tool, limit })),
    );
  }
}

function nameOf(tool: string | null, team: string | null): string {
  return JSON.stringify([tool, team]);
}

function idsOf(rows: readonly Record<string, unknown>[]): string[] {
  return rows.map((row) => row['id'] as string);
}
