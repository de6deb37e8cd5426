/**
 * The tables of the job engine on PostgreSQL. Steps that were released are never edited; a change
 * is a new step at the end, such that the program before it goes on working beside it.
 *
 * Ids sort by creation (a ULID begins with its millisecond) in the collation "C", so an index that
 * ends in `id` also orders by time. JSON is kept as text, as it came.
 */
import { NEXT, STATUSES } from '../../job/states.ts';
import type { MigrationStep } from '../migrations.ts';

const list = (values: readonly string[]) => values.map((value) => `'${value}'`).join(', ');
const FINAL = STATUSES.filter((status) => NEXT[status].length === 0);

export const JOBS_STEPS: readonly MigrationStep[] = [
  // The row grows while it lives; room in the page keeps renewals out of the indexes.
  `CREATE TABLE jobs (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    tool text COLLATE "C" NOT NULL,
    team_id text COLLATE "C" NOT NULL,
    owner_id text COLLATE "C" NOT NULL,
    scope text,
    status text COLLATE "C" NOT NULL CHECK (status IN (${list(STATUSES)})),
    shown text COLLATE "C" NOT NULL GENERATED ALWAYS AS (CASE
      WHEN status = 'queued' AND started_at IS NOT NULL THEN 'running'
      WHEN status = 'waiting' THEN 'running'
      WHEN status = 'cancelled' THEN 'failed'
      ELSE status END) STORED,
    input text,
    carry text,
    request_id text NOT NULL,
    result text,
    result_bytes integer,
    error text,
    progress text,
    questions text,
    answers text,
    runs integer NOT NULL DEFAULT 0,
    attempts integer NOT NULL DEFAULT 0,
    attempts_max integer NOT NULL,
    timeout_ms integer NOT NULL,
    alone smallint NOT NULL DEFAULT 0,
    turn bigint NOT NULL,
    due_at bigint,
    due_since bigint NOT NULL,
    wait_until bigint,
    lease text,
    lease_until bigint,
    worker text COLLATE "C",
    created_at bigint NOT NULL,
    started_at bigint,
    updated_at bigint NOT NULL,
    completed_at bigint,
    CHECK ((status = 'running') = (lease IS NOT NULL)),
    CHECK ((status = 'waiting') = (questions IS NOT NULL)),
    CHECK ((status IN (${list(FINAL)})) = (completed_at IS NOT NULL)),
    CHECK ((status = 'completed') = (result_bytes IS NOT NULL)),
    CHECK (result IS NULL OR result_bytes IS NOT NULL),
    CHECK ((status IN ('failed', 'cancelled')) = (error IS NOT NULL)),
    CHECK (started_at >= created_at AND updated_at >= created_at),
    CHECK (completed_at >= created_at AND (started_at IS NULL OR completed_at >= started_at))
  ) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02)`,
  `CREATE INDEX jobs_due ON jobs (tool, turn, id) WHERE status = 'queued' AND due_at IS NULL`,
  `CREATE INDEX jobs_resting ON jobs (due_at, tool) WHERE status = 'queued' AND due_at IS NOT NULL`,
  `CREATE INDEX jobs_overdue ON jobs (due_since, id) WHERE status = 'queued'`,
  `CREATE INDEX jobs_running ON jobs (worker) WHERE status = 'running'`,
  `CREATE INDEX jobs_waiting ON jobs (wait_until) WHERE status = 'waiting'`,
  `CREATE INDEX jobs_open ON jobs (team_id, status, tool, turn) WHERE completed_at IS NULL`,
  `CREATE INDEX jobs_owner ON jobs (team_id, owner_id, shown, id)`,
  `CREATE INDEX jobs_team ON jobs (team_id, shown, id)`,
  `CREATE INDEX jobs_final ON jobs (completed_at) WHERE completed_at IS NOT NULL`,
  `CREATE FUNCTION jobs_final_is_final() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      RAISE EXCEPTION 'a final job never changes' USING ERRCODE = 'integrity_constraint_violation';
    END $$`,
  // After, because a trigger before an update locks the row, which costs as much as an index.
  `CREATE TRIGGER jobs_final_is_final AFTER UPDATE ON jobs FOR EACH ROW
    WHEN (OLD.status IN (${list(FINAL)})) EXECUTE FUNCTION jobs_final_is_final()`,
  `CREATE TABLE job_payloads (
    job_id text COLLATE "C" NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('input', 'result')),
    body text NOT NULL,
    PRIMARY KEY (job_id, kind)
  )`,
  `CREATE TABLE idempotency_keys (
    team_id text COLLATE "C" NOT NULL,
    owner_id text COLLATE "C" NOT NULL,
    tool text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    job_id text COLLATE "C" NOT NULL,
    hash text NOT NULL,
    answer text NOT NULL,
    expires_at bigint NOT NULL,
    PRIMARY KEY (team_id, owner_id, tool, key)
  )`,
  `CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at)`,
  `CREATE TABLE workers (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    process text NOT NULL,
    supervisor text NOT NULL,
    tools text NOT NULL,
    beat_at bigint NOT NULL
  )`,
  `CREATE TABLE probe (
    id integer NOT NULL PRIMARY KEY CHECK (id = 1),
    at bigint NOT NULL
  )`,
  `CREATE TABLE missing_tools (
    tool text COLLATE "C" NOT NULL PRIMARY KEY,
    since_at bigint NOT NULL
  )`,
  // Whether the run was claimed under a limit, so that its end makes room for another.
  { additive: `ALTER TABLE jobs ADD COLUMN limited smallint NOT NULL DEFAULT 0` },
  // Jobs that are held until there is room; see limit-statements.ts.
  {
    additive: `CREATE INDEX jobs_held ON jobs (team_id, tool, turn, id)
    WHERE status = 'queued' AND due_at = 9007199254740991`,
  },
];
