/**
 * The tables of the job engine on SQLite. Steps that were released are never edited; a change is a
 * new step at the end.
 *
 * Ids sort by creation (a ULID begins with its millisecond), so an index that ends in `id` also
 * orders by time.
 */
import { NEXT, STATUSES } from '../../job/states.ts';
import type { Migrations } from '../migrations.ts';

const list = (values: readonly string[]) => values.map((value) => `'${value}'`).join(', ');
const FINAL = STATUSES.filter((status) => NEXT[status].length === 0);

export const JOBS_MIGRATIONS: Migrations = {
  namespace: 'jobs',
  sqlite: [
    `CREATE TABLE jobs (
      id TEXT NOT NULL PRIMARY KEY,
      tool TEXT NOT NULL,
      team_id TEXT NOT NULL,
      owner_id TEXT NOT NULL,
      scope TEXT,
      status TEXT NOT NULL CHECK (status IN (${list(STATUSES)})),
      shown TEXT NOT NULL GENERATED ALWAYS AS (CASE
        WHEN status = 'queued' AND started_at IS NOT NULL THEN 'running'
        WHEN status = 'waiting' THEN 'running'
        WHEN status = 'cancelled' THEN 'failed'
        ELSE status END) VIRTUAL,
      input TEXT,
      carry TEXT,
      request_id TEXT NOT NULL,
      result TEXT,
      result_bytes INTEGER,
      error TEXT,
      progress TEXT,
      questions TEXT,
      answers TEXT,
      runs INTEGER NOT NULL DEFAULT 0,
      attempts INTEGER NOT NULL DEFAULT 0,
      attempts_max INTEGER NOT NULL,
      timeout_ms INTEGER NOT NULL,
      alone INTEGER NOT NULL DEFAULT 0,
      turn INTEGER NOT NULL,
      due_boot TEXT,
      due_at INTEGER,
      wait_until INTEGER,
      lease TEXT,
      lease_boot TEXT,
      lease_until INTEGER,
      worker TEXT,
      created_at INTEGER NOT NULL,
      started_at INTEGER,
      updated_at INTEGER NOT NULL,
      completed_at INTEGER,
      CHECK ((status = 'running') = (lease IS NOT NULL)),
      CHECK ((status = 'waiting') = (questions IS NOT NULL)),
      CHECK ((status IN (${list(FINAL)})) = (completed_at IS NOT NULL)),
      CHECK ((status = 'completed') = (result_bytes IS NOT NULL)),
      CHECK (result IS NULL OR result_bytes IS NOT NULL),
      CHECK ((status IN ('failed', 'cancelled')) = (error IS NOT NULL)),
      CHECK (started_at >= created_at AND updated_at >= created_at),
      CHECK (completed_at >= created_at AND (started_at IS NULL OR completed_at >= started_at))
    ) STRICT`,
    `CREATE INDEX jobs_due ON jobs (tool, turn, id) WHERE status = 'queued' AND due_at IS NULL`,
    `CREATE INDEX jobs_resting ON jobs (due_boot, due_at) WHERE status = 'queued' AND due_at IS NOT NULL`,
    `CREATE INDEX jobs_running ON jobs (worker) WHERE status = 'running'`,
    `CREATE INDEX jobs_waiting ON jobs (wait_until) WHERE status = 'waiting'`,
    `CREATE INDEX jobs_open ON jobs (team_id, status, tool, turn) WHERE completed_at IS NULL`,
    `CREATE INDEX jobs_owner ON jobs (team_id, owner_id, shown, id)`,
    `CREATE INDEX jobs_team ON jobs (team_id, shown, id)`,
    `CREATE INDEX jobs_final ON jobs (completed_at) WHERE completed_at IS NOT NULL`,
    `CREATE TRIGGER jobs_final_is_final BEFORE UPDATE ON jobs
      WHEN OLD.status IN (${list(FINAL)})
      BEGIN SELECT RAISE(ABORT, 'a final job never changes'); END`,
    `CREATE TABLE job_payloads (
      job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
      kind TEXT NOT NULL CHECK (kind IN ('input', 'result')),
      body TEXT NOT NULL,
      PRIMARY KEY (job_id, kind)
    ) STRICT`,
    `CREATE TABLE idempotency_keys (
      team_id TEXT NOT NULL,
      owner_id TEXT NOT NULL,
      tool TEXT NOT NULL,
      key TEXT NOT NULL,
      job_id TEXT NOT NULL,
      hash TEXT NOT NULL,
      answer TEXT NOT NULL,
      expires_at INTEGER NOT NULL,
      PRIMARY KEY (team_id, owner_id, tool, key)
    ) STRICT, WITHOUT ROWID`,
    `CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at)`,
    `CREATE TABLE workers (
      id TEXT NOT NULL PRIMARY KEY,
      process TEXT NOT NULL,
      supervisor TEXT NOT NULL,
      tools TEXT NOT NULL,
      beat_boot TEXT NOT NULL,
      beat_at INTEGER NOT NULL
    ) STRICT`,
    `CREATE TABLE probe (
      id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
      at INTEGER NOT NULL
    ) STRICT`,
    `CREATE TABLE missing_tools (
      tool TEXT NOT NULL PRIMARY KEY,
      since_boot TEXT NOT NULL,
      since_at INTEGER NOT NULL
    ) STRICT`,
    // Whether the run was claimed under a limit, so that its end makes room for another.
    { additive: `ALTER TABLE jobs ADD COLUMN limited INTEGER NOT NULL DEFAULT 0` },
    // Jobs that are held until there is room; see limit-statements.ts.
    {
      additive: `CREATE INDEX jobs_held ON jobs (team_id, tool, turn, id)
      WHERE status = 'queued' AND due_at = 9007199254740991`,
    },
  ],
};
