/** From a row to a job, the same for every engine: their columns have the same names and types. */
import { damaged, toFailure, type Failure } from '../job/errors.ts';
import type { Job, NewJob, Progress } from '../job/job.ts';
import { parsedOr, type Json } from '../job/json.ts';
import type { Status } from '../job/states.ts';
import { can, VIEW_ANY, type Who } from '../job/who.ts';
import type { Replay } from './store.ts';

export type Row = Record<string, unknown>;

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
    error: errorOf(row),
    progress: parsedOr<Progress | null>(row['progress'], null),
    questions: parsedOr<Record<string, Json> | null>(row['questions'], null),
    answers: parsedOr<Record<string, Json> | null>(row['answers'], null),
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

/** The job as the row that was just inserted says it. */
export function insertedJob(job: NewJob, isInputApart: boolean): Job {
  return {
    ...job,
    input: isInputApart ? null : job.input,
    status: 'queued',
    result: null,
    resultBytes: null,
    error: null,
    progress: null,
    questions: null,
    answers: null,
    runs: 0,
    attempts: 0,
    alone: false,
    lease: null,
    worker: null,
    startedAt: null,
    updatedAt: job.createdAt,
    completedAt: null,
  };
}

export function replayOf(row: Row): Replay {
  return {
    jobId: row['job_id'] as string,
    hash: row['hash'] as string,
    answer: row['answer'] as string,
  };
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

function errorOf({ error, request_id: requestId }: Row): Failure | null {
  if (error === null) return null;
  return (
    parsedOr(error, null) ??
    toFailure(damaged('The job failed; its error'), requestId as string, true)
  );
}
