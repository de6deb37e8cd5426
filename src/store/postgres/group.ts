/**
 * Many writes, one commit: what waits at the same time is written by one transaction. When that
 * fails for the fault of one of them, each is written by itself, so that one that fails fails alone.
 */
import { isStatementError, toKnown } from './errors.ts';

export type Outcome<R> =
  { readonly ok: true; readonly value: R } | { readonly ok: false; readonly error: unknown };

export interface GroupOptions<M, R> {
  /** Members of one commit at most. */
  readonly membersMax: number;
  /** Commits at once at most; more hide the wait for the disk, fewer make larger groups. */
  readonly lanes: number;
  /** Members with an equal name never share a commit: they are about the same row. */
  readonly nameOf: (member: M) => string | null;
  /** Write all or nothing; one outcome per member, in order. Throws when nothing was written. */
  readonly write: (members: readonly M[]) => Promise<readonly Outcome<R>[]>;
}

interface Waiting<M, R> {
  readonly member: M;
  readonly resolve: (value: R) => void;
  readonly reject: (error: unknown) => void;
}

export class Group<M, R> {
  readonly #options: GroupOptions<M, R>;
  #waiting: Waiting<M, R>[] = [];
  /** Names of members that are being written. */
  readonly #busy = new Set<string>();
  readonly #running = new Set<Promise<void>>();
  #isScheduled = false;

  constructor(options: GroupOptions<M, R>) {
    this.#options = options;
  }

  add(member: M): Promise<R> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ member, resolve, reject });
      this.#schedule();
    });
  }

  /** Everything that was asked for is written. */
  async drain(): Promise<void> {
    while (this.#waiting.length > 0 || this.#running.size > 0) {
      await Promise.all(this.#running);
      // What waits begins in the next turn of the loop.
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
  }

  #schedule(): void {
    if (this.#isScheduled || this.#running.size >= this.#options.lanes) return;
    this.#isScheduled = true;
    // Whatever asks in this turn of the loop shares the commit.
    setImmediate(() => {
      this.#isScheduled = false;
      this.#begin();
    });
  }

  #begin(): void {
    const taken = this.#take();
    if (taken.length === 0) return;
    const names = taken.flatMap(({ member }) => this.#options.nameOf(member) ?? []);
    for (const name of names) this.#busy.add(name);
    const running = this.#write(taken).finally(() => {
      for (const name of names) this.#busy.delete(name);
      this.#running.delete(running);
      if (this.#waiting.length > 0) this.#schedule();
    });
    this.#running.add(running);
    if (this.#waiting.length > 0) this.#schedule();
  }

  #take(): Waiting<M, R>[] {
    const taken: Waiting<M, R>[] = [];
    const left: Waiting<M, R>[] = [];
    const names = new Set(this.#busy);
    for (const waiting of this.#waiting) {
      const name = this.#options.nameOf(waiting.member);
      const fits = taken.length < this.#options.membersMax && !(name !== null && names.has(name));
      if (name !== null) names.add(name);
      (fits ? taken : left).push(waiting);
    }
    this.#waiting = left;
    return taken;
  }

  /** Whatever happens, every member gets an answer, and the lane is free again. */
  async #write(taken: readonly Waiting<M, R>[]): Promise<void> {
    try {
      await this.#attempt(taken);
    } catch (error) {
      for (const { reject } of taken) reject(error);
    }
  }

  async #attempt(taken: readonly Waiting<M, R>[]): Promise<void> {
    try {
      const outcomes = await this.#options.write(taken.map(({ member }) => member));
      for (const [index, { resolve, reject }] of taken.entries()) {
        const outcome = outcomes[index];
        if (outcome?.ok) resolve(outcome.value);
        else reject(outcome?.error ?? new Error('a member of a commit has no outcome'));
      }
    } catch (error) {
      if (taken.length === 1 || !isFaultOfOne(error)) throw toKnown(error);
      for (const one of taken) await this.#write([one]);
    }
  }
}

/** Constraints reach us as CONFLICT, with the statement's own error as cause. */
function isFaultOfOne(error: unknown): boolean {
  return isStatementError(error) || (error instanceof Error && isStatementError(error.cause));
}
