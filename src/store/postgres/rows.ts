/** From rows to jobs, and from changes to what the statements take. The only casts of this store. */
import type { Failure } from '../../job/errors.ts';
import type { IdempotencyKey, Job, NewJob, Progress } from '../../job/job.ts';
import type { Json } from '../../job/json.ts';
import { isFinal, mayMove, type Status } from '../../job/states.ts';
import type { Change } from '../../job/transitions.ts';
import { can, VIEW_ANY, type Who } from '../../job/who.ts';
import type { Replay } from '../store.ts';
import type { Row } from './database.ts';
import type { Due } from './deliveries.ts';
import { toKept } from './parameters.ts';

type Text = string | null;
type Whole = number | null;

export function jobOf(row: Row): Job {
  return {
    id: row['id'] as string,
    tool: row['tool'] as string,
    team: row['team_id'] as string,
    owner: row['owner_id'] as string,
    scope: row['scope'] as Text,
    status: row['status'] as Status,
    input: row['input'] as Text,
    carry: row['carry'] as Text,
    requestId: row['request_id'] as string,
    result: row['result'] as Text,
    resultBytes: row['result_bytes'] as Whole,
    error: parse<Failure>(row['error']),
    progress: parse<Progress>(row['progress']),
    questions: parse<Record<string, Json>>(row['questions']),
    answers: parse<Record<string, Json>>(row['answers']),
    runs: row['runs'] as number,
    attempts: row['attempts'] as number,
    attemptsMax: row['attempts_max'] as number,
    timeoutMs: row['timeout_ms'] as number,
    alone: row['alone'] === 1,
    lease: row['lease'] as Text,
    worker: row['worker'] as Text,
    createdAt: row['created_at'] as number,
    startedAt: row['started_at'] as Whole,
    updatedAt: row['updated_at'] as number,
    completedAt: row['completed_at'] as Whole,
  };
}

export function replayOf(row: Row): Replay {
  return {
    jobId: row['job_id'] as string,
    hash: row['hash'] as string,
    answer: row['answer'] as string,
  };
}

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

function parse<T>(text: unknown): T | null {
  return text === null ? null : (JSON.parse(text as string) as T);
}

function stringify(value: unknown): Text {
  return value === undefined ? null : JSON.stringify(value);
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

/** The WHERE of everything that a caller asks: team and owner, `view-any` where reads allow it. */
export function whoParams(who: Who) {
  return {
    team: who.team,
    owner: who.owner,
    scopes: who.scopes ? JSON.stringify(who.scopes) : null,
  };
}

export function readerParams(who: Who) {
  return { ...whoParams(who), any: can(who, VIEW_ANY) ? 1 : 0 };
}

export interface ChangeOptions {
  readonly who: Who | null;
  /** Results of more bytes than this are kept apart. */
  readonly inlineBytesMax: number;
}

export function changeRow(id: string, change: Change, { who, inlineBytesMax }: ChangeOptions) {
  const resultBytes = change.result === undefined ? null : Buffer.byteLength(change.result);
  return {
    id,
    to: change.to,
    // A move that the table does not have finds no row, whoever asks for it.
    from: change.from.filter((status) => mayMove(status, change.to)).join(','),
    lease: change.lease,
    fault: change.fault ? 1 : 0,
    alone: change.alone === undefined ? null : Number(change.alone),
    delayMs: change.to === 'queued' ? Math.max(0, change.delayMs ?? 0) : 0,
    waitMs: change.waitMs ?? 0,
    result: (resultBytes ?? 0) > inlineBytesMax ? null : (change.result ?? null),
    resultBytes,
    error: stringify(change.error),
    questions: stringify(change.questions),
    answers: stringify(change.answers),
    final: isFinal(change.to) ? 1 : 0,
    ...(who ? whoParams(who) : { team: null, owner: null, scopes: null }),
  };
}
