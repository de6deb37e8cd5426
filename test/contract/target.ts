/**
 * What a check is given: a server to talk to, and as far as there are any, further tokens and ways
 * to control the process.
 */
import type { Peer } from './wire.ts';

/** Tokens besides the main one, seen from its team and owner. */
export interface OtherTokens {
  /** Same owner, same team. */
  readonly sameOwner?: string | undefined;
  /** Another owner in the same team. */
  readonly otherOwner?: string | undefined;
  /** The same owner in another team. */
  readonly otherTeam?: string | undefined;
  /** Another owner in another team. */
  readonly stranger?: string | undefined;
}

/** Power over the process behind the address. */
export interface Control {
  /** Bring the server to this many workers; restarts it only if it has another number. */
  serve(workers: number): Promise<void>;
  /** SIGKILL to the server and to everything that it started; returns when they are gone. */
  kill(): Promise<void>;
  /** Start it again over the same data. */
  start(): Promise<void>;
  /** Make an open job older by so many milliseconds, because no test can wait for a minute. */
  age(jobId: string, ms: number): Promise<void>;
  /** Make the job of a plan fail that no worker has taken yet. */
  spoilPlan(planId: string): Promise<void>;
}

export interface Target extends Peer {
  readonly tokens: OtherTokens;
  readonly control?: Control | undefined;
  /** What R1 allows a tool call. Default 30,000 ms; less only to see the check fail in good time. */
  readonly budgetMs?: number;
  /** What "at once" means in R6. Default 5,000 ms; less only to see the check fail in good time. */
  readonly atOnceMs?: number;
}

export type Need = 'control' | keyof OtherTokens;

const NEED_TEXT: Readonly<Record<Need, string>> = {
  control: 'needs control of the server process',
  sameOwner: 'needs a second token of the same owner and team',
  otherOwner: 'needs a token of another owner in the same team',
  otherTeam: 'needs a token of the same owner in another team',
  stranger: 'needs a token of another owner in another team',
};

/** Why a check with these needs cannot be run on the target; null when it can. */
export function reasonNotToRun(target: Target, needs: readonly Need[]): string | null {
  const missing = needs.filter((need) =>
    need === 'control' ? target.control === undefined : target.tokens[need] === undefined,
  );
  return missing.length === 0 ? null : missing.map((need) => NEED_TEXT[need]).join('; ');
}

/** The control of a target; checks that call this need it. */
export function controlOf(target: Target): Control {
  if (target.control === undefined) throw new Error('The server is not under control.');
  return target.control;
}
