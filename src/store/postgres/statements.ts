/**
 * The SQL of the job engine on PostgreSQL, one constant per statement; the same names as on SQLite
 * where the statement is the same. `:rows` is a JSON list: what waits together is written together.
 *
 * Time is the database's own. Leases begin when the statement runs, everything else when its
 * transaction began, which is also the instant that pg-boss reckons from.
 */

import { STATUSES } from '../../job/states.ts';

const list = (values: readonly string[]) => values.map((value) => `'${value}'`).join(', ');

/** Milliseconds since 1970 at the beginning of the transaction. */
const NOW = `floor(extract(epoch FROM now()) * 1000)::bigint`;
/** The same, now. */
const CLOCK = `floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint`;

const inScopes = (scope: string, scopes: string) =>
  `(${scope} IS NULL OR ${scopes} IS NULL
    OR ${scope} IN (SELECT json_array_elements_text(${scopes}::json)))`;

const VISIBLE = `team_id = :team::text
  AND (:any::int = 1 OR owner_id = :owner::text)
  AND ${inScopes('scope', ':scopes::text')}`;

/** By the primary key. */
export const GET = `SELECT * FROM jobs WHERE id = :id AND ${VISIBLE}`;

/** By the primary key of job_payloads. */
export const PAYLOAD = `SELECT coalesce(p.body, CASE :kind::text WHEN 'input' THEN j.input ELSE j.result END) AS body
  FROM jobs j LEFT JOIN job_payloads p ON p.job_id = j.id AND p.kind = :kind::text
  WHERE j.id = :id AND ${VISIBLE}`;

export const INSERT_PAYLOAD = `INSERT INTO job_payloads (job_id, kind, body)
  SELECT id, kind, body FROM json_to_recordset(:rows::json) AS given (id text, kind text, body text)`;

export const INPUT_APART = `SELECT job_id, body FROM job_payloads
  WHERE job_id = ANY (:ids::text[]) AND kind = 'input'`;

/** Range of jobs_due in front of the job; stops counting after 100. */
export const POSITION = `SELECT 1 + (SELECT count(*) FROM (
    SELECT 1 FROM jobs AS front
    WHERE front.status = 'queued' AND front.due_at IS NULL AND front.tool = self.tool
      AND (front.turn, front.id) < (self.turn, self.id)
    ORDER BY front.turn, front.id LIMIT 101) AS ahead) AS position
  FROM jobs AS self WHERE self.id = :id AND self.status = 'queued' AND self.due_at IS NULL`;

/**
 * By the primary key, and in its order, so that two commits never wait for each other. A row comes
 * back for each key that was free or had expired.
 */
export const TAKE_KEY = `INSERT INTO idempotency_keys AS kept
    (team_id, owner_id, tool, key, job_id, hash, answer, expires_at)
  SELECT team, owner, tool, key, "jobId", hash, answer, ${NOW} + "ttlMs"
  FROM json_to_recordset(:rows::json) AS given (team text, owner text, tool text, key text,
    "jobId" text, hash text, answer text, "ttlMs" bigint)
  ORDER BY team, owner, tool, key
  ON CONFLICT (team_id, owner_id, tool, key) DO UPDATE
    SET job_id = excluded.job_id, hash = excluded.hash, answer = excluded.answer,
      expires_at = excluded.expires_at
    WHERE kept.expires_at <= ${NOW}
  RETURNING job_id`;

export const KEY = `SELECT job_id, hash, answer FROM idempotency_keys
  WHERE team_id = :team AND owner_id = :owner AND tool = :tool AND key = :key
    AND expires_at > ${NOW}`;

/** What many keys stand for already, by their place in the list. */
export const KEYS = `SELECT given.place, kept.job_id, kept.hash, kept.answer
  FROM json_to_recordset(:rows::json) AS given (place int, team text, owner text, tool text, key text)
  JOIN idempotency_keys AS kept ON kept.team_id = given.team AND kept.owner_id = given.owner
    AND kept.tool = given.tool AND kept.key = given.key AND kept.expires_at > ${NOW}`;

export const PURGE_KEYS = `DELETE FROM idempotency_keys WHERE (team_id, owner_id, tool, key) IN (
  SELECT team_id, owner_id, tool, key FROM idempotency_keys
  WHERE expires_at <= ${NOW} ORDER BY expires_at LIMIT 100 FOR UPDATE SKIP LOCKED)`;

/** A waiting job of its own owner; answering is never part of `view-any`. */
export const WAITING = `SELECT questions, answers FROM jobs
  WHERE id = :id AND status = 'waiting' AND team_id = :team AND owner_id = :owner
    AND ${inScopes('scope', ':scopes::text')}
  FOR UPDATE`;

export const ANSWER_SOME = `UPDATE jobs SET answers = :answers, updated_at = greatest(updated_at, ${NOW})
  WHERE id = :id AND status = 'waiting'`;

/**
 * Of one shown status, those before an id. Said as a place in the order of the indexes: were it an
 * equality, the planner might walk the primary key, past all newer jobs of other statuses.
 */
const PAGE = `shown >= :shown::text AND (shown, id) < (:shown::text, :before::text)`;

/** By jobs_owner, once per shown status; the caller merges. */
export const LIST_OWNER = `SELECT * FROM jobs
  WHERE ${PAGE} AND owner_id = :owner AND ${VISIBLE}
    AND (:tool::text IS NULL OR tool = :tool::text)
  ORDER BY shown DESC, id DESC LIMIT :limit`;

/** By jobs_team, for callers who may see the whole team. */
export const LIST_TEAM = `SELECT * FROM jobs
  WHERE ${PAGE} AND ${VISIBLE}
    AND (:tool::text IS NULL OR tool = :tool::text)
  ORDER BY shown DESC, id DESC LIMIT :limit`;

/** By jobs_open, per team; stops counting at the cap. */
export const COUNT_OPEN = `SELECT given.team, (SELECT count(*) FROM (
    SELECT 1 FROM jobs WHERE team_id = given.team AND completed_at IS NULL LIMIT given.max) AS found) AS open
  FROM json_to_recordset(:rows::json) AS given (team text, max int)`;

/** Holds up others who would count the same team, until the transaction ends. */
export const LOCK_TEAM = `SELECT pg_advisory_xact_lock(1785621870, hashtext(:team))`;

/**
 * The turn of the newest run that a team had of a tool, unless its last 20 of each shown status were
 * of others; ids of one millisecond have no order, and the later one a larger turn. Said like PAGE,
 * for the same reason.
 */
const SERVED_LAST = `SELECT run.turn FROM unnest(ARRAY['running', 'completed', 'failed']) AS past (shown)
  CROSS JOIN LATERAL (
    SELECT turn, created_at FROM (
      SELECT turn, created_at, tool, started_at FROM jobs
      WHERE team_id = given.team AND shown >= past.shown AND (shown, id) < (past.shown, '~')
      ORDER BY shown DESC, id DESC LIMIT 20) AS newest
    WHERE tool = given.tool AND started_at IS NOT NULL LIMIT 2) AS run
  ORDER BY run.created_at DESC, run.turn DESC LIMIT 1`;

/**
 * Fairness: a team's jobs take turns. A new job stands one turn behind its team's last queued one,
 * and never before the front, the smallest queued turn, so that a team that was away gains nothing.
 * A team that was served at the front already stands behind it: were it let in again, teams that
 * always have one job queued would keep the front where it is, and all others waiting. It loses one
 * turn at most, whatever it ran before. All look-ups are steps in indexes (jobs_open, jobs_due, and
 * jobs_team, where only a team that has nothing at the front looks).
 */
export const NEXT_TURN = `SELECT given.team, given.tool, CASE
    WHEN line.behind > coalesce(line.front, 0) THEN line.behind
    WHEN line.front IS NULL THEN 0
    ELSE line.front + CASE WHEN line.front <= (${SERVED_LAST}) THEN 1 ELSE 0 END END AS turn
  FROM json_to_recordset(:rows::json) AS given (team text, tool text)
  CROSS JOIN LATERAL (SELECT
    (SELECT max(turn) FROM jobs WHERE team_id = given.team AND status = 'queued'
      AND tool = given.tool AND completed_at IS NULL) + 1 AS behind,
    (SELECT turn FROM jobs WHERE status = 'queued' AND due_at IS NULL
      AND tool = given.tool ORDER BY turn LIMIT 1) AS front
    OFFSET 0) AS line`;

export const INSERT = `INSERT INTO jobs
  (id, tool, team_id, owner_id, scope, status, input, carry, request_id, attempts_max, timeout_ms,
   turn, due_since, created_at, updated_at)
  SELECT id, tool, team, owner, scope, 'queued', input, carry, "requestId", "attemptsMax",
    "timeoutMs", turn, ${NOW}, "createdAt", "createdAt"
  FROM json_to_recordset(:rows::json) AS given (id text, tool text, team text, owner text,
    scope text, input text, carry text, "requestId" text, "attemptsMax" int, "timeoutMs" int,
    turn bigint, "createdAt" bigint)`;

/** By jobs_resting. The delivery carries the delay too; this is for the eyes of DUE. */
export const WAKE_RESTING = `UPDATE jobs SET due_at = NULL WHERE id IN (
  SELECT id FROM jobs WHERE status = 'queued' AND due_at <= ${NOW}
  ORDER BY due_at LIMIT 1000 FOR UPDATE SKIP LOCKED)`;

export const NEXT_DUE = `SELECT min(due_at) - ${CLOCK} AS ms FROM jobs
  WHERE status = 'queued' AND due_at < 9007199254740991 AND tool = ANY (:tools::text[])`;

/** By jobs_due and jobs_resting: the first due jobs of each known tool; the claim merges. */
export const DUE = `SELECT given.place, due.alone
  FROM unnest(:tools::text[]) WITH ORDINALITY AS given (tool, place)
  CROSS JOIN LATERAL (
    SELECT turn, id, alone FROM (
      (SELECT turn, id, alone FROM jobs
        WHERE status = 'queued' AND due_at IS NULL AND tool = given.tool
        ORDER BY turn, id LIMIT :limit::int)
      UNION ALL
      (SELECT turn, id, alone FROM jobs
        WHERE status = 'queued' AND due_at <= ${NOW} AND tool = given.tool
        ORDER BY due_at LIMIT :limit::int)) AS either
    ORDER BY turn, id LIMIT :limit::int) AS due
  ORDER BY given.place, due.turn, due.id`;

/** Named one by one: a prepared statement outlives a column that a newer program adds. */
const JOB = `id, tool, team_id, owner_id, scope, status, input, carry, request_id, result, result_bytes,
  error, progress, questions, answers, runs, attempts, attempts_max, timeout_ms, alone, turn, lease,
  worker, created_at, started_at, updated_at, completed_at`;

/**
 * The claim: a delivery is a hint for one run of one job, and counts only while the row still stands
 * before that run. Stops before a job that has to wait to be alone. By the primary key: the planner
 * may not know yet how many rows are queued, and the LIMIT keeps it from asking for them.
 */
export const CLAIM = `WITH given AS (
    SELECT * FROM json_to_recordset(:rows::json) AS hint (id text, run int, lease text)),
  due AS (
    SELECT row.id, row.turn, row.alone, given.run, given.lease FROM given CROSS JOIN LATERAL (
      SELECT * FROM jobs WHERE id = given.id LIMIT 1) AS row
    WHERE row.status = 'queued' AND row.runs = given.run AND row.runs < :runsMax),
  ranked AS (
    SELECT id, run, lease, alone, row_number() OVER w AS place, sum(alone) OVER w AS alones
    FROM due WINDOW w AS (ORDER BY turn, id))
  UPDATE jobs SET status = 'running', runs = runs + 1, lease = ranked.lease,
    lease_until = ${CLOCK} + :leaseMs::int, worker = :worker, due_at = NULL, limited = :limited::int,
    updated_at = greatest(updated_at, ${CLOCK}),
    started_at = coalesce(started_at, greatest(updated_at, ${CLOCK}))
  FROM ranked
  WHERE jobs.id = ranked.id AND jobs.status = 'queued' AND jobs.runs = ranked.run
    AND (ranked.alones = 0 OR (ranked.place = 1 AND ranked.alone = 1 AND :idle::int = 1))
  RETURNING ${JOB.replaceAll(/\w+/g, 'jobs.$&')}`;

/** Of deliveries that were not claimed: those that still mean something. */
export const UNCLAIMED = `SELECT jobs.id, jobs.runs, jobs.turn, jobs.request_id
  FROM jobs JOIN json_to_recordset(:rows::json) AS hint (id text, run int)
    ON jobs.id = hint.id AND jobs.runs = hint.run
  WHERE jobs.status = 'queued'`;

/**
 * The guarded write, for many jobs at once. No row for one of them: that job has moved on. A job that
 * is queued again has had its turn: it stands one turn later, and not before the front either; within
 * that turn its age still counts.
 */
export const APPLY = `UPDATE jobs SET status = given."to", lease = NULL, lease_until = NULL,
    turn = CASE given."to" WHEN 'queued' THEN greatest(turn + 1, (
      SELECT front.turn FROM jobs AS front
      WHERE front.status = 'queued' AND front.due_at IS NULL AND front.tool = jobs.tool
      ORDER BY front.turn LIMIT 1)) ELSE turn END,
    worker = NULL, attempts = attempts + given.fault, alone = coalesce(given.alone, jobs.alone),
    due_at = CASE WHEN given."to" = 'queued' AND given."delayMs" > 0 THEN ${NOW} + given."delayMs" END,
    due_since = CASE WHEN given."to" = 'queued' THEN ${NOW} + given."delayMs" ELSE due_since END,
    wait_until = CASE WHEN given."to" = 'waiting' THEN ${NOW} + given."waitMs" END,
    result = given.result, result_bytes = given."resultBytes", error = given.error,
    questions = given.questions, answers = coalesce(given.answers, jobs.answers),
    updated_at = greatest(updated_at, ${NOW}),
    completed_at = CASE WHEN given.final = 1 THEN greatest(updated_at, ${NOW}) END
  FROM json_to_recordset(:rows::json) AS given (id text, "to" text, "from" text, lease text,
    fault int, alone int, "delayMs" bigint, "waitMs" bigint, result text, "resultBytes" int,
    error text, questions text, answers text, final int, team text, owner text, scopes text)
  WHERE given."to" IN (${list(STATUSES)})
    AND jobs.id = given.id AND jobs.status = ANY (string_to_array(given."from", ','))
    AND (given.lease IS NULL OR jobs.lease = given.lease)
    AND (given.team IS NULL OR (jobs.team_id = given.team AND jobs.owner_id = given.owner
      AND ${inScopes('jobs.scope', 'given.scopes')}))
  RETURNING jobs.id, jobs.tool, jobs.runs, jobs.turn, jobs.status,
    CASE jobs.limited WHEN 1 THEN jobs.team_id END AS limited_team`;

export const RENEW = `UPDATE jobs SET lease_until = ${CLOCK} + :leaseMs::int
  FROM json_to_recordset(:rows::json) AS held (id text, lease text)
  WHERE jobs.id = held.id AND jobs.status = 'running' AND jobs.lease = held.lease
  RETURNING jobs.id, jobs.lease`;

export const PROGRESS = `UPDATE jobs SET progress = :progress, updated_at = greatest(updated_at, ${NOW})
  WHERE id = :id AND status = 'running' AND lease = :lease RETURNING id`;

export const BEAT = `INSERT INTO workers (id, process, supervisor, tools, beat_at)
  VALUES (:id, :process, :supervisor, :tools, ${CLOCK})
  ON CONFLICT (id) DO UPDATE SET tools = excluded.tools, beat_at = excluded.beat_at`;

export const LIVE_WORKERS = `SELECT count(*) AS live FROM workers
  WHERE beat_at > ${CLOCK} - :lostMs::int`;

export const WORKERS = `SELECT id, process, supervisor, tools, ${CLOCK} - beat_at AS silent_ms FROM workers`;

export const FORGET_WORKER = `DELETE FROM workers WHERE id = :id`;

/** By jobs_running: there are as many as slots of workers, not as jobs. */
export const EXPIRED = `SELECT * FROM jobs
  WHERE status = 'running' AND (lease_until <= ${CLOCK} OR worker = ANY (:dead::text[]) OR :all::int = 1)`;

export const HELD_BY = `SELECT * FROM jobs WHERE status = 'running' AND worker = :worker`;

export const OVERDUE_WAITING = `SELECT id, request_id FROM jobs
  WHERE status = 'waiting' AND wait_until <= ${NOW} ORDER BY wait_until LIMIT 100`;

/** One step in jobs_due per tool, whatever the number of jobs. */
export const QUEUED_TOOLS = `WITH RECURSIVE found AS (
    (SELECT tool FROM jobs WHERE status = 'queued' AND due_at IS NULL ORDER BY tool LIMIT 1)
    UNION ALL
    SELECT (SELECT tool FROM jobs WHERE status = 'queued' AND due_at IS NULL AND tool > found.tool
      ORDER BY tool LIMIT 1)
    FROM found WHERE found.tool IS NOT NULL)
  SELECT tool FROM found WHERE tool IS NOT NULL`;

export const QUEUED_OF = `SELECT id, request_id FROM jobs
  WHERE status = 'queued' AND due_at IS NULL AND tool = :tool ORDER BY turn, id LIMIT :limit`;

/** Due for too long, in the order of jobs_overdue; the next page begins behind the last row. */
export const OVERDUE = `SELECT id, tool, runs, turn, due_since FROM jobs
  WHERE status = 'queued' AND due_since <= ${NOW} - :overdueMs::int
    AND (due_since, id) > (:since, :after)
  ORDER BY due_since, id LIMIT :limit`;

export const MISSING_TOOLS = `SELECT tool, ${CLOCK} - since_at AS missing_ms FROM missing_tools`;

export const MARK_MISSING = `INSERT INTO missing_tools (tool, since_at) VALUES (:tool, ${CLOCK})
  ON CONFLICT (tool) DO NOTHING`;

export const UNMARK_MISSING = `DELETE FROM missing_tools WHERE tool = :tool`;

export const PURGE = `DELETE FROM jobs WHERE id IN (
  SELECT id FROM jobs WHERE completed_at <= ${NOW} - :retentionMs::bigint
  ORDER BY completed_at LIMIT 100 FOR UPDATE SKIP LOCKED) RETURNING id`;

/** Finds out whether writes are kept: only a real one meets a full disk. */
export const PROBE = `INSERT INTO probe (id, at) VALUES (1, ${NOW})
  ON CONFLICT (id) DO UPDATE SET at = excluded.at`;

/** Its own commit waits for no disk: nothing is kept by it. */
export const NOTIFY = `SELECT set_config('synchronous_commit', 'off', true), pg_notify(:channel, :payload)`;

/** What the clock says. */
export const TIME = `SELECT ${CLOCK} AS time`;
