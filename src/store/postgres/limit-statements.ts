/**
 * The SQL of running limits. A job that may not run yet is held: it rests for ever (the largest
 * `due_at` that a number can be) and has no delivery, until somebody lets it go. That is the end of
 * another run of its team, a claim that finds more room than it has use for or knows no limit of the
 * tool, or the sweep. Its row is not overdue either, so nothing looks at it again and again.
 *
 * Whoever counts and whoever lets go hold the team's lock until their transaction ends. Jobs that
 * somebody else has in hand are passed over under it; only for a delivery that somebody else is
 * making as well (the sweep makes lost ones again) it may have to wait.
 */

const HELD_UNTIL = '9007199254740991';
const HELD = `status = 'queued' AND due_at = ${HELD_UNTIL}`;
const NOW = `floor(extract(epoch FROM now()) * 1000)::bigint`;

/** Counted as a list, so that the rows are found by the primary key whatever the planner expects. */
const LET_GO = `UPDATE jobs SET due_at = NULL, due_since = ${NOW}
  WHERE id = ANY (ARRAY(SELECT id FROM heads)) RETURNING id, tool, runs, turn`;

/** Always in the same order, so that two transactions never wait for each other. */
export const LOCK_TEAMS = `SELECT pg_advisory_xact_lock(1785621872, sorted.hash)
  FROM (SELECT DISTINCT hashtext(team) AS hash FROM unnest(:teams::text[]) AS given (team)
    ORDER BY hash OFFSET 0) AS sorted`;

export const LOCK_TOOL = `SELECT pg_advisory_xact_lock(1785621873, hashtext(:tool))`;

/** By jobs_running: there are as many as slots of workers, not as jobs. */
export const RUNNING_OF_TOOLS = `SELECT tool, count(*) AS running FROM jobs
  WHERE status = 'running' AND tool = ANY (:tools::text[]) GROUP BY tool`;

/** By the primary key. */
export const TEAMS = `SELECT DISTINCT team_id FROM jobs WHERE id = ANY (:ids::text[])`;

/** By the primary key. Whoever has one of the rows in hand decides about it. */
export const CANDIDATES = `SELECT id, team_id, turn FROM jobs
  WHERE id = ANY (:ids::text[]) AND status = 'queued' ORDER BY turn, id FOR UPDATE SKIP LOCKED`;

/** By jobs_open; stops counting at the limits. */
export const RUNNING_OF_TEAMS = `SELECT given.team,
    (SELECT count(*) FROM (SELECT 1 FROM jobs WHERE team_id = given.team AND status = 'running'
      AND completed_at IS NULL LIMIT :teamMax::int) AS found) AS of_team,
    (SELECT count(*) FROM (SELECT 1 FROM jobs WHERE team_id = given.team AND status = 'running'
      AND tool = :tool AND completed_at IS NULL LIMIT :laneMax::int) AS found) AS of_lane
  FROM unnest(:teams::text[]) AS given (team)`;

export const HOLD = `UPDATE jobs SET due_at = ${HELD_UNTIL}, due_since = ${HELD_UNTIL}
  WHERE id = ANY (:ids::text[])`;

/** By jobs_held: the first jobs of each tool of a team, as many as runs of the team have ended. */
export const RELEASE = `WITH RECURSIVE lanes AS (
    SELECT given.team, given.ended,
      (SELECT min(tool) FROM jobs WHERE ${HELD} AND team_id = given.team) AS tool
    FROM json_to_recordset(:rows::json) AS given (team text, ended int)
    UNION ALL
    SELECT team, ended, (SELECT min(jobs.tool) FROM jobs
      WHERE ${HELD} AND team_id = lanes.team AND jobs.tool > lanes.tool)
    FROM lanes WHERE lanes.tool IS NOT NULL),
  heads AS (
    SELECT head.id FROM lanes CROSS JOIN LATERAL (
      SELECT id FROM jobs WHERE ${HELD} AND team_id = lanes.team AND tool = lanes.tool
      ORDER BY turn, id LIMIT lanes.ended FOR UPDATE SKIP LOCKED) AS head)
  ${LET_GO}`;

/** By jobs_held: the first jobs of a tool of each of some teams. */
export const RELEASE_LANES = `WITH heads AS (
    SELECT head.id FROM json_to_recordset(:rows::json) AS given (team text, most int)
    CROSS JOIN LATERAL (
      SELECT id FROM jobs WHERE ${HELD} AND team_id = given.team AND tool = :tool
      ORDER BY turn, id LIMIT given.most FOR UPDATE SKIP LOCKED) AS head)
  ${LET_GO}`;

/** By jobs_due. */
export const FIRST_DUE = `SELECT due.id FROM unnest(:tools::text[]) AS given (tool)
  CROSS JOIN LATERAL (SELECT id FROM jobs
    WHERE status = 'queued' AND due_at IS NULL AND tool = given.tool
    ORDER BY turn, id LIMIT 1) AS due`;

/**
 * Teams and tools with held jobs, one step in jobs_held each: whether a limited run of the team goes
 * on, whose end will let more of them go, and whether one that was let go waits to be claimed. To be
 * asked within a transaction of ours, which walks indexes; and so written that neither jobs_due nor
 * a list of all running jobs serves for a question about one team.
 */
export const HELD_LANES = `WITH RECURSIVE lanes AS (
    (SELECT team_id, tool, turn FROM jobs WHERE ${HELD} ORDER BY team_id, tool, turn, id LIMIT 1)
    UNION ALL
    SELECT next.team_id, next.tool, next.turn FROM lanes CROSS JOIN LATERAL (
      SELECT team_id, tool, turn FROM jobs WHERE ${HELD}
        AND (jobs.team_id, jobs.tool) > (lanes.team_id, lanes.tool)
      ORDER BY team_id, tool, turn, id LIMIT 1) AS next)
  SELECT team_id, tool,
    coalesce((SELECT 1 FROM jobs WHERE team_id = lanes.team_id AND status = 'running'
      AND completed_at IS NULL AND limited = 1 LIMIT 1), 0) AS running,
    coalesce((SELECT 1 FROM jobs WHERE team_id = lanes.team_id AND status = 'queued'
      AND tool = lanes.tool AND completed_at IS NULL AND turn <= lanes.turn
      AND coalesce(due_at, 0) = 0 LIMIT 1), 0) AS due
  FROM lanes`;

/** For an operator. */
export const HELD_JOBS = `SELECT count(*)::int AS jobs FROM jobs WHERE ${HELD}`;

/** For an operator: tools with held jobs of a team of which no limited run goes on. */
export const STRANDED = `SELECT DISTINCT tool FROM (${HELD_LANES}) AS lanes
  WHERE running = 0 AND due = 0`;
