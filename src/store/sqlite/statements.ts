/** The SQL of the job engine on SQLite, one constant per statement. */

const VISIBLE = `team_id = :team
  AND (:any = 1 OR owner_id = :owner)
  AND (scope IS NULL OR :scopes IS NULL OR scope IN (SELECT value FROM json_each(:scopes)))`;

/** By the primary key. */
export const GET = `SELECT * FROM jobs WHERE id = :id AND ${VISIBLE}`;

/** By the primary key of job_payloads. */
export const PAYLOAD = `SELECT coalesce(p.body, CASE :kind WHEN 'input' THEN j.input ELSE j.result END) AS body
  FROM jobs j LEFT JOIN job_payloads p ON p.job_id = j.id AND p.kind = :kind
  WHERE j.id = :id AND ${VISIBLE}`;

export const INSERT_PAYLOAD = `INSERT INTO job_payloads (job_id, kind, body)
  VALUES (:id, :kind, :body)`;

export const INPUT_APART = `SELECT body FROM job_payloads WHERE job_id = :id AND kind = 'input'`;

/** Range of jobs_due in front of the job; stops counting after 100. */
export const POSITION = `SELECT 1 + (SELECT count(*) FROM (
    SELECT 1 FROM jobs AS front INDEXED BY jobs_due
    WHERE front.status = 'queued' AND front.due_at IS NULL AND front.tool = self.tool
      AND (front.turn, front.id) < (self.turn, self.id) LIMIT 101)) AS position
  FROM jobs AS self WHERE self.id = :id AND self.status = 'queued' AND self.due_at IS NULL`;

/** By the primary key; a row comes back when the key was free or had expired. */
export const TAKE_KEY = `INSERT INTO idempotency_keys
    (team_id, owner_id, tool, key, job_id, hash, answer, expires_at)
  VALUES (:team, :owner, :tool, :key, :jobId, :hash, :answer, :expiresAt)
  ON CONFLICT (team_id, owner_id, tool, key) DO UPDATE
    SET job_id = :jobId, hash = :hash, answer = :answer, expires_at = :expiresAt
    WHERE expires_at <= :now
  RETURNING job_id`;

export const KEY = `SELECT job_id, hash, answer FROM idempotency_keys
  WHERE team_id = :team AND owner_id = :owner AND tool = :tool AND key = :key AND expires_at > :now`;

export const PURGE_KEYS = `DELETE FROM idempotency_keys WHERE (team_id, owner_id, tool, key) IN (
  SELECT team_id, owner_id, tool, key FROM idempotency_keys INDEXED BY idempotency_keys_expiry
  WHERE expires_at <= :now ORDER BY expires_at LIMIT 100)`;

/** A waiting job of its own owner; answering is never part of `view-any`. */
export const WAITING = `SELECT questions, answers FROM jobs
  WHERE id = :id AND status = 'waiting' AND team_id = :team AND owner_id = :owner
    AND (scope IS NULL OR :scopes IS NULL OR scope IN (SELECT value FROM json_each(:scopes)))`;

export const ANSWER_SOME = `UPDATE jobs SET answers = :answers, updated_at = max(updated_at, :now)
  WHERE id = :id AND status = 'waiting'`;

/** By jobs_owner, once per shown status; the caller merges. */
export const LIST_OWNER = `SELECT * FROM jobs INDEXED BY jobs_owner
  WHERE shown = :shown AND id < :before AND owner_id = :owner AND ${VISIBLE}
    AND (:tool IS NULL OR tool = :tool)
  ORDER BY id DESC LIMIT :limit`;

/** By jobs_team, for callers who may see the whole team. */
export const LIST_TEAM = `SELECT * FROM jobs INDEXED BY jobs_team
  WHERE shown = :shown AND id < :before AND ${VISIBLE}
    AND (:tool IS NULL OR tool = :tool)
  ORDER BY id DESC LIMIT :limit`;

/** By jobs_open; stops counting at the cap. */
export const COUNT_OPEN = `SELECT count(*) AS open FROM (
  SELECT 1 FROM jobs INDEXED BY jobs_open
  WHERE team_id = :team AND completed_at IS NULL LIMIT :max)`;

/** The newest runs that a team had of a tool, unless its last 20 that are shown so were of others. */
const NEWEST_RUNS = (shown: string) => `SELECT * FROM (SELECT turn, created_at FROM (
    SELECT turn, created_at, tool, started_at FROM jobs INDEXED BY jobs_team
    WHERE team_id = :team AND shown = '${shown}' ORDER BY id DESC LIMIT 20)
  WHERE tool = :tool AND started_at IS NOT NULL LIMIT 2)`;

/** The turn of the newest run; ids of one millisecond have no order, and the later one a larger turn. */
const SERVED_LAST = `WITH run AS (
    ${['running', 'completed', 'failed'].map(NEWEST_RUNS).join(' UNION ALL ')})
  SELECT max(turn) AS turn FROM run WHERE created_at = (SELECT max(created_at) FROM run)`;

/**
 * Fairness: a team's jobs take turns. The new job stands one turn behind its team's last queued one,
 * and never before the front, the smallest queued turn, so that a team that was away gains nothing.
 * A team that was served at the front already stands behind it: were it let in again, teams that
 * always have one job queued would keep the front where it is, and all others waiting. It loses one
 * turn at most, whatever it ran before. All look-ups are steps in indexes (jobs_open, jobs_due, and
 * jobs_team, where only a team that has nothing at the front looks).
 */
export const INSERT = `INSERT INTO jobs
  (id, tool, team_id, owner_id, scope, status, input, carry, request_id, attempts_max, timeout_ms,
   turn, created_at, updated_at)
  VALUES (:id, :tool, :team, :owner, :scope, 'queued', :input, :carry, :requestId, :attemptsMax,
    :timeoutMs,
    (SELECT CASE
        WHEN behind > coalesce(front, 0) THEN behind
        WHEN front IS NULL THEN 0
        ELSE front + coalesce((SELECT turn >= front FROM (${SERVED_LAST})), 0) END
      FROM (SELECT
        (SELECT max(turn) FROM jobs INDEXED BY jobs_open
          WHERE team_id = :team AND status = 'queued' AND tool = :tool AND completed_at IS NULL) + 1 AS behind,
        (SELECT turn FROM jobs INDEXED BY jobs_due
          WHERE status = 'queued' AND due_at IS NULL AND tool = :tool ORDER BY turn LIMIT 1) AS front)),
    :createdAt, :createdAt)`;

const RESTING = `SELECT id FROM jobs INDEXED BY jobs_resting
  WHERE status = 'queued' AND due_at IS NOT NULL`;

/** Ranges of jobs_resting, so that what still rests costs nothing. Delays of another boot are over. */
export const WAKE_RESTING = `UPDATE jobs SET due_at = NULL, due_boot = NULL WHERE id IN (
  ${RESTING} AND due_boot = :boot AND due_at <= :mono
  UNION ALL ${RESTING} AND due_boot < :boot
  UNION ALL ${RESTING} AND due_boot > :boot)`;

export const NEXT_DUE = `SELECT min(due_at) AS due FROM jobs INDEXED BY jobs_resting
  WHERE status = 'queued' AND due_at IS NOT NULL AND due_boot = :boot`;

/** By jobs_due, once per known tool; the claim merges. */
export const DUE = `SELECT id, tool, team_id, turn, alone, runs, request_id FROM jobs INDEXED BY jobs_due
  WHERE status = 'queued' AND due_at IS NULL AND tool = :tool ORDER BY turn, id LIMIT :limit`;

export const CLAIM = `UPDATE jobs SET status = 'running', runs = runs + 1, lease = :lease,
    lease_boot = :boot, lease_until = :until, worker = :worker, limited = :limited,
    updated_at = max(updated_at, :now), started_at = coalesce(started_at, max(updated_at, :now))
  WHERE id = :id AND status = 'queued' RETURNING *`;

/**
 * The guarded write. Zero rows: the job has moved on. A job that is queued again has had its turn:
 * it stands one turn later, and not before the front either; within that turn its age still counts.
 */
export const APPLY = `UPDATE jobs SET status = :to, lease = NULL, lease_boot = NULL,
    turn = CASE :to WHEN 'queued' THEN max(turn + 1, coalesce((
      SELECT turn FROM jobs AS front INDEXED BY jobs_due
      WHERE front.status = 'queued' AND front.due_at IS NULL AND front.tool = jobs.tool
      ORDER BY front.turn LIMIT 1), 0)) ELSE turn END,
    lease_until = NULL, worker = NULL, attempts = attempts + :fault,
    alone = coalesce(:alone, alone), due_boot = :dueBoot, due_at = :dueAt, wait_until = :waitUntil,
    result = :result, result_bytes = :resultBytes, error = :error, questions = :questions, answers = coalesce(:answers, answers),
    updated_at = max(updated_at, :now),
    completed_at = CASE WHEN :final = 1 THEN max(updated_at, :now) END
  WHERE id = :id AND status IN (SELECT value FROM json_each(:from))
    AND (:lease IS NULL OR lease = :lease)
    AND (:team IS NULL OR (team_id = :team AND owner_id = :owner
      AND (scope IS NULL OR :scopes IS NULL OR scope IN (SELECT value FROM json_each(:scopes)))))
  RETURNING tool, CASE limited WHEN 1 THEN team_id END AS limited_team`;

export const RENEW = `UPDATE jobs SET lease_boot = :boot, lease_until = :until
  WHERE id = :id AND status = 'running' AND lease = :lease`;

export const PROGRESS = `UPDATE jobs SET progress = :progress, updated_at = max(updated_at, :now)
  WHERE id = :id AND status = 'running' AND lease = :lease`;

/** Finds out whether writes are kept: only a real one meets a full disk. */
export const PROBE = `INSERT INTO probe (id, at) VALUES (1, :now)
  ON CONFLICT (id) DO UPDATE SET at = :now`;

export const BEAT = `INSERT INTO workers (id, process, supervisor, tools, beat_boot, beat_at)
  VALUES (:id, :process, :supervisor, :tools, :boot, :mono)
  ON CONFLICT (id) DO UPDATE SET tools = :tools, beat_boot = :boot, beat_at = :mono`;

export const LIVE_WORKERS = `SELECT count(*) AS live FROM workers
  WHERE beat_boot = :boot AND beat_at > :since`;

export const WORKERS = `SELECT id, process, supervisor, tools, beat_boot, beat_at FROM workers`;

export const FORGET_WORKER = `DELETE FROM workers WHERE id = :id`;

/** By jobs_running: there are as many as slots of workers, not as jobs. */
export const RUNNING = `SELECT * FROM jobs INDEXED BY jobs_running
  WHERE status = 'running' AND worker IS NOT NULL`;

export const HELD_BY = `SELECT * FROM jobs INDEXED BY jobs_running
  WHERE status = 'running' AND worker = :worker`;

/** Found by the wall clock, decided by the one of their boot, or where that is over by the patient one. */
export const OVERDUE_WAITING = `SELECT id, request_id FROM jobs INDEXED BY jobs_waiting
  WHERE status = 'waiting' AND wait_until <= :now
    AND CASE due_boot WHEN :boot THEN due_at <= :mono ELSE wait_until <= :patient END LIMIT 100`;

/** One step in jobs_due per tool, whatever the number of jobs. */
export const NEXT_QUEUED_TOOL = `SELECT min(tool) AS tool FROM jobs INDEXED BY jobs_due
  WHERE status = 'queued' AND due_at IS NULL AND tool > :after`;

export const MISSING_TOOLS = `SELECT tool, since_boot, since_at FROM missing_tools`;

export const MARK_MISSING = `INSERT INTO missing_tools (tool, since_boot, since_at)
  VALUES (:tool, :boot, :mono)
  ON CONFLICT (tool) DO UPDATE SET since_boot = :boot, since_at = :mono`;

export const UNMARK_MISSING = `DELETE FROM missing_tools WHERE tool = :tool`;

/** The end of jobs_final. */
export const NEWEST_END = `SELECT max(completed_at) AS at FROM jobs WHERE completed_at IS NOT NULL`;

export const PURGE = `DELETE FROM jobs WHERE id IN (
  SELECT id FROM jobs INDEXED BY jobs_final
  WHERE completed_at IS NOT NULL AND completed_at <= :before ORDER BY completed_at LIMIT 100)`;
