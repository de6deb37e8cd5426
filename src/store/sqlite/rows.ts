/** From jobs and changes to the parameters of SQLite's statements. */
import { bootId, monotonic, now } from '../../job/clock.ts';
import type { NewJob } from '../../job/job.ts';
import { isFinal, mayMove } from '../../job/states.ts';
import type { Change } from '../../job/transitions.ts';
import type { Who } from '../../job/who.ts';
import { whoParams } from '../job-row.ts';

function stringify(value: unknown): string | null {
  return value === undefined ? null : JSON.stringify(value);
}

export function insertParams(job: NewJob, isInputApart: boolean) {
  return { ...job, input: isInputApart ? null : job.input };
}

export interface ChangeOptions {
  readonly who: Who | null;
  /** Results of more bytes than this are kept apart. */
  readonly inlineBytesMax: number;
}

export function changeParams(id: string, change: Change, { who, inlineBytesMax }: ChangeOptions) {
  const at = now();
  const resultBytes = change.result === undefined ? null : Buffer.byteLength(change.result);
  // How long a queued job rests, and a waiting one is waited for.
  const spanMs = (change.to === 'waiting' ? change.waitMs : change.delayMs) ?? 0;
  const isDueLater = change.to === 'waiting' || (change.to === 'queued' && spanMs > 0);
  return {
    id,
    to: change.to,
    // A move that the table does not have finds no row, whoever asks for it.
    from: JSON.stringify(change.from.filter((status) => mayMove(status, change.to))),
    lease: change.lease,
    fault: change.fault ? 1 : 0,
    alone: change.alone === undefined ? null : Number(change.alone),
    dueBoot: isDueLater ? bootId() : null,
    dueAt: isDueLater ? monotonic() + spanMs : null,
    waitUntil: change.to === 'waiting' ? at + spanMs : null,
    result: (resultBytes ?? 0) > inlineBytesMax ? null : (change.result ?? null),
    resultBytes,
    error: stringify(change.error),
    questions: stringify(change.questions),
    answers: stringify(change.answers),
    now: at,
    final: isFinal(change.to) ? 1 : 0,
    ...(who ? whoParams(who) : { team: null, owner: null, scopes: null }),
  };
}
