/**
 * What happened in a run, as its clients and workers saw it: each call is invoked and ends as ok,
 * as fail (certainly not done), or as unknown (it may have been done). Written down as lines of JSON.
 */
import { writeFileSync } from 'node:fs';

/** A job as a caller was told of it. */
export interface View {
  /** As `get_job_status` says it. */
  readonly status: 'queued' | 'running' | 'completed' | 'failed';
  /** The outcome as canonical text; null while there is none. */
  readonly outcome: string | null;
  /** As the Tasks extension said it of the same moment, where it was asked. */
  readonly task?: string | null;
  readonly updatedAt?: string | null;
  readonly attempt?: number | null;
}

export interface Submission {
  readonly op: 'submit';
  readonly team: string;
  readonly owner: string;
  readonly tool: string;
  readonly key: string | null;
  /** The arguments as text; equal means the same call. */
  readonly args: string;
}

/** Everything that can be asked for, and what an ok of it brings. */
export interface Deeds {
  submit: { deed: Submission; value: { readonly job: string } };
  poll: {
    deed: {
      readonly op: 'poll';
      readonly team: string;
      readonly owner: string;
      readonly job: string;
    };
    value: View | null;
  };
  cancel: {
    deed: { readonly op: 'cancel'; readonly team: string; readonly job: string };
    value: null;
  };
  redeem: {
    deed: {
      readonly op: 'redeem';
      readonly team: string;
      readonly code: string;
      readonly subscriber: string;
    };
    value: { readonly subscription: string };
  };
  /** Somebody asks for an id of another team, or for one that nobody has. */
  probe: {
    deed: { readonly op: 'probe'; readonly kind: 'foreign' | 'unknown'; readonly method: string };
    value: { readonly answer: string };
  };
  list: {
    deed: { readonly op: 'list'; readonly team: string };
    value: { readonly jobs: readonly string[] };
  };
  claim: {
    deed: { readonly op: 'claim' };
    value: { readonly job: string; readonly lease: string; readonly run: number };
  };
  settle: {
    deed: {
      readonly op: 'settle';
      readonly job: string;
      readonly lease: string;
      readonly to: string;
    };
    value: { readonly applied: boolean };
  };
  /** A job began for the first time, so long after it was acknowledged. */
  start: {
    deed: { readonly op: 'start'; readonly team: string; readonly job: string };
    value: { readonly waitedMs: number };
  };
  /** The database was put back to how it stood at `to`, and what came later never was. */
  restore: { deed: { readonly op: 'restore' }; value: { readonly to: number } };
}

export type Op = keyof Deeds;

export interface Entry<O extends Op = Op> {
  /** Who asked. */
  readonly process: string;
  readonly deed: Deeds[O]['deed'];
  readonly invokedAt: number;
  readonly endedAt: number | null;
  readonly outcome: 'ok' | 'fail' | 'unknown';
  readonly value: Deeds[O]['value'] | null;
  /** Code of the refusal, or why it is unknown. */
  readonly why: string | null;
}

export interface Invoked<O extends Op> {
  ok(value: Deeds[O]['value']): void;
  /** Certainly not done. */
  fail(code: string): void;
  unknown(why: string): void;
}

/** Milliseconds on the clock of `monotonic`, fine enough that one thing is before another. */
const fine = (): number => Number(process.hrtime.bigint()) / 1e6;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export class History {
  readonly #entries: Mutable<Entry>[] = [];

  get entries(): readonly Entry[] {
    return this.#entries;
  }

  /** Until it is ended, what was invoked counts as unknown. */
  invoke<O extends Op>(process: string, deed: Deeds[O]['deed']): Invoked<O> {
    const entry: Mutable<Entry> = {
      process,
      deed,
      invokedAt: fine(),
      endedAt: null,
      outcome: 'unknown',
      value: null,
      why: 'no answer',
    };
    this.#entries.push(entry);
    const end = (more: Partial<Entry>) =>
      void Object.assign(entry, { endedAt: fine(), why: null, ...more });
    return {
      ok: (value) => end({ outcome: 'ok', value }),
      fail: (why) => end({ outcome: 'fail', why }),
      unknown: (why) => end({ outcome: 'unknown', why }),
    };
  }

  /** What was seen at once, without a beginning. */
  saw<O extends Op>(process: string, deed: Deeds[O]['deed'], value: Deeds[O]['value']): void {
    this.invoke<O>(process, deed).ok(value);
  }

  /** What another process says that it saw; its clock shows the same time. */
  heard<O extends Op>(
    process: string,
    { at, ...said }: { at: number; deed: Deeds[O]['deed']; value: Deeds[O]['value'] },
  ): void {
    this.#entries.push({ process, ...said, invokedAt: at, endedAt: at, outcome: 'ok', why: null });
  }

  /** The database was put back: of what was done since, only the claims are still known to somebody. */
  restore(process: string, to: number): void {
    const isKept = ({ invokedAt, deed }: Entry) => invokedAt <= to || deed.op === 'claim';
    this.#entries.splice(0, this.#entries.length, ...this.#entries.filter(isKept));
    this.saw<'restore'>(process, { op: 'restore' }, { to });
  }

  write(path: string): void {
    writeFileSync(path, this.#entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
  }
}

/** The entries of one kind, in the order of their invocation. */
export function of<O extends Op>(entries: readonly Entry[], op: O): readonly Entry<O>[] {
  return entries.filter(({ deed }) => deed.op === op) as unknown as Entry<O>[];
}

/** The same, of those that were answered with ok. */
export function done<O extends Op>(
  entries: readonly Entry[],
  op: O,
): readonly (Entry<O> & { readonly value: Deeds[O]['value']; readonly endedAt: number })[] {
  return of(entries, op).filter(({ outcome }) => outcome === 'ok') as never;
}
