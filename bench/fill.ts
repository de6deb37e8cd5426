/** Rows by the hundred thousand. */
import { DatabaseSync } from 'node:sqlite';
import { now } from '../src/job/clock.ts';
import { newId } from '../src/job/ids.ts';
import { openAt, sql } from './engine.ts';
import { newJob, WHO } from './new-job.ts';

export interface Rows {
  readonly tool: string;
  readonly queued: number;
  readonly finished: number;
}

/** Submissions at once while a queue is filled. */
const CALLERS = 1_000;
const DAY_MS = 86_400_000;

/** Queue jobs, as callers do. */
export async function queue(address: string, tool: string, count: number): Promise<void> {
  const store = await openAt(address);
  for (let left = count; left > 0; left -= CALLERS) {
    const length = Math.min(left, CALLERS);
    await Promise.all(Array.from({ length }, async () => store.insert(newJob(tool), 0)));
  }
  await store.close();
}

/** Finished jobs, a tenth of them failed, spread over the last day; then queued ones. */
export async function fill(address: string, { tool, queued, finished }: Rows): Promise<void> {
  await (await openAt(address)).close();
  if (address.startsWith('postgres:')) await finishInPostgres(address, tool, finished);
  else finishInFile(address, tool, finished);
  await queue(address, tool, queued);
  if (address.startsWith('postgres:')) await sql(address, 'VACUUM ANALYZE');
}

/** Ids sort by their time as real ones do; what follows the time counts on. */
async function finishInPostgres(address: string, tool: string, count: number): Promise<void> {
  const firstAt = now() - DAY_MS;
  const stepMs = 86_000_000 / count;
  await sql(
    address,
    `INSERT INTO jobs (id, tool, team_id, owner_id, status, input, request_id, result,
        result_bytes, error, runs, attempts_max, timeout_ms, turn, due_since, created_at, started_at,
        updated_at, completed_at)
      SELECT 'mjb_0' || lpad(at::text, 13, '0') || lpad(i::text, 12, '0'), '${tool}',
        '${WHO.team}', '${WHO.owner}', CASE WHEN i % 10 = 0 THEN 'failed' ELSE 'completed' END,
        '{"n":1}', 'req_bench', CASE WHEN i % 10 > 0 THEN '{"n":1}' END,
        CASE WHEN i % 10 > 0 THEN 7 END,
        CASE WHEN i % 10 = 0 THEN '{"code":"INTERNAL_ERROR","message":"It failed."}' END,
        1, 3, 600000, 0, at, at, at, at, at
      FROM (SELECT i, (${firstAt} + floor(i * ${stepMs}))::bigint AS at
        FROM generate_series(1, ${count}) AS i) AS numbered`,
  );
}

function finishInFile(path: string, tool: string, count: number): void {
  const db = new DatabaseSync(path);
  db.exec('PRAGMA synchronous = OFF');
  const insert =
    db.prepare(`INSERT INTO jobs (id, tool, team_id, owner_id, status, input, request_id,
      result, result_bytes, error, runs, attempts_max, timeout_ms, turn, created_at, started_at, updated_at, completed_at)
    VALUES (:id, :tool, :team, :owner, :status, '{"n":1}', 'req_bench',
      iif(:status = 'completed', '{"n":1}', NULL), iif(:status = 'completed', 7, NULL),
      iif(:status = 'failed', '{"code":"INTERNAL_ERROR","message":"It failed."}', NULL),
      1, 3, 600000, 0, :at, :at, :at, :at)`);
  const firstAt = now() - DAY_MS;
  db.exec('BEGIN');
  for (let i = 0; i < count; i += 1) {
    const at = firstAt + Math.floor((i * 86_000_000) / count);
    const status = i % 10 === 0 ? 'failed' : 'completed';
    const { team, owner } = WHO;
    insert.run({ id: newId('mjb', at), tool, team, owner, status, at });
  }
  db.exec('COMMIT');
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  db.close();
}
