/** Rows by the hundred thousand, written past the store. */
import { DatabaseSync } from 'node:sqlite';
import { now } from '../src/job/clock.ts';
import { newId } from '../src/job/ids.ts';
import { WHO } from './new-job.ts';

export interface Rows {
  readonly tool: string;
  readonly queued: number;
  readonly finished: number;
}

/**
 * Write finished and queued jobs into a database that `openStore` has made and that is closed:
 * the finished ones first, a tenth of them failed, spread over the last day.
 */
export function fill(path: string, { tool, queued, finished }: Rows): void {
  const db = new DatabaseSync(path);
  db.exec('PRAGMA synchronous = OFF');
  const insert =
    db.prepare(`INSERT INTO jobs (id, tool, team_id, owner_id, status, input, request_id,
      result, result_bytes, error, runs, attempts_max, timeout_ms, turn, created_at, started_at, updated_at, completed_at)
    VALUES (:id, :tool, :team, :owner, :status, '{"n":1}', 'req_bench',
      iif(:status = 'completed', '{"n":1}', NULL), iif(:status = 'completed', 7, NULL),
      iif(:status = 'failed', '{"code":"INTERNAL_ERROR","message":"It failed."}', NULL),
      iif(:status = 'queued', 0, 1), 3, 600000, :turn, :at,
      iif(:status = 'queued', NULL, :at), :at, iif(:status = 'queued', NULL, :at))`);
  const total = queued + finished;
  const firstAt = now() - 86_400_000;
  db.exec('BEGIN');
  for (let i = 0; i < total; i += 1) {
    const at = firstAt + Math.floor((i * 86_000_000) / total);
    const isFinished = i < finished;
    insert.run({
      id: newId('mjb', at),
      tool,
      team: WHO.team,
      owner: WHO.owner,
      status: isFinished ? (i % 10 === 0 ? 'failed' : 'completed') : 'queued',
      turn: isFinished ? 0 : i - finished,
      at,
    });
  }
  db.exec('COMMIT');
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  db.close();
}
