/** From changes and jobs to what the statements take. */
import type { IdempotencyKey, NewJob } from '../../job/job.ts';
import { isFinal, mayMove } from '../../job/states.ts';
import type { Change } from '../../job/transitions.ts';
import type { Who } from '../../job/who.ts';
import { whoParams, type Row } from '../job-row.ts';
import type { Due } from './deliveries.ts';
import { toKept } from './parameters.ts';

/** The delivery of a row that is queued, after a rest. */
export function dueOf(row: Row, delayMs = 0): Due {
  return {
    id: row['id'] as string,
    tool: row['tool'] as string,
    runs: row['runs'] as number,
    turn: row['turn'] as number,
    delayMs,
  };
}

/** What JSON writes where a text holds U+0000, half a character, or the mark of `toKept`. */
const NEEDS_CARE = /\\u0000|\\ud[89a-f]|\uFFFF/i;

/** Many rows as one parameter. */
export function rowsParam(rows: readonly object[]): string {
  const plain = JSON.stringify(rows);
  if (!NEEDS_CARE.test(plain)) return plain;
  const kept = JSON.stringify(rows, (_, value: unknown) =>
    typeof value === 'string' ? toKept(value) : value,
  );
  return kept.replaceAll('\uFFFF', '\\uffff');
}

/** What makes a key unique, as a text. */
export function keyName(job: NewJob, { key }: IdempotencyKey): string {
  return JSON.stringify([job.team, job.owner, job.tool, key]);
}

export interface ChangeOptions {
  readonly who: Who | null;
  /** Results of more bytes than this are kept apart. */
  readonly inlineBytesMax: number;
}

/** What a change leaves out is left out here too: it is shorter, and reads as null. */
export function changeRow(id: string, change: Change, { who, inlineBytesMax }: ChangeOptions) {
  const { result, error, questions, answers } = change;
  const resultBytes = result === undefined ? undefined : Buffer.byteLength(result);
  return {
    id,
    to: change.to,
    // A move that the table does not have finds no row, whoever asks for it.
    from: change.from.filter((status) => mayMove(status, change.to)).join(','),
    lease: change.lease ?? undefined,
    fault: change.fault ? 1 : 0,
    alone: change.alone === undefined ? undefined : Number(change.alone),
    delayMs: change.to === 'queued' ? Math.max(0, change.delayMs ?? 0) : 0,
    waitMs: change.waitMs ?? 0,
    result: (resultBytes ?? 0) > inlineBytesMax ? undefined : result,
    resultBytes,
    error: error && JSON.stringify(error),
    questions: questions && JSON.stringify(questions),
    answers: answers && JSON.stringify(answers),
    final: isFinal(change.to) ? 1 : 0,
    ...(who ? whoParams(who) : {}),
  };
}
