/**
 * The SQL of running limits. A job that may not run yet is held: it rests for ever (the largest
 * `due_at` that a number can be), so that claims never meet it, until somebody lets it go. That is
 * the end of another run of its team, a claim that finds more room than it has use for or knows no
 * limit of the tool, or the sweep.
 */

/** The rest of a job that is held. */
export const HELD_UNTIL = 9_007_199_254_740_991;

const HELD = `status = 'queued' AND due_at = ${HELD_UNTIL}`;

/** By jobs_open; stops counting at the limit. */
export const RUNNING_OF_TEAM = `SELECT count(*) AS running FROM (
  SELECT 1 FROM jobs INDEXED BY jobs_open
  WHERE completed_at IS NULL AND team_id = :team AND status = 'running' LIMIT :max)`;

/** By jobs_open; stops counting at the limit. */
export const RUNNING_OF_LANE = `SELECT count(*) AS running FROM (
  SELECT 1 FROM jobs INDEXED BY jobs_open
  WHERE completed_at IS NULL AND team_id = :team AND status = 'running' AND tool = :tool LIMIT :max)`;

/** By jobs_running: there are as many as slots of workers, not as jobs. */
export const RUNNING_OF_TOOL = `SELECT count(*) AS running FROM (
  SELECT 1 FROM jobs INDEXED BY jobs_running WHERE status = 'running' AND tool = :tool LIMIT :max)`;

/** By jobs_open, from the turn on: what is held already stands before it. */
export const HOLD = `UPDATE jobs SET due_at = ${HELD_UNTIL}, due_boot = :boot WHERE id IN (
  SELECT id FROM jobs INDEXED BY jobs_open
  WHERE completed_at IS NULL AND team_id = :team AND status = 'queued' AND tool = :tool
    AND turn >= :turn AND due_at IS NULL
  ORDER BY turn LIMIT :limit)`;

/** By jobs_held: the first job of each tool of a team. */
export const RELEASE = `WITH RECURSIVE heads (id, tool) AS (
    SELECT * FROM (SELECT id, tool FROM jobs INDEXED BY jobs_held
      WHERE ${HELD} AND team_id = :team ORDER BY tool, turn, id LIMIT 1)
    UNION ALL
    SELECT next.id, next.tool FROM heads JOIN jobs AS next ON next.id = (
      SELECT id FROM jobs INDEXED BY jobs_held
      WHERE ${HELD} AND team_id = :team AND tool > heads.tool ORDER BY tool, turn, id LIMIT 1))
  UPDATE jobs SET due_at = NULL, due_boot = NULL WHERE id IN (SELECT id FROM heads) RETURNING id`;

/** By jobs_held: the first jobs of a tool of a team. */
export const RELEASE_LANE = `UPDATE jobs SET due_at = NULL, due_boot = NULL WHERE id IN (
  SELECT id FROM jobs INDEXED BY jobs_held
  WHERE ${HELD} AND team_id = :team AND tool = :tool ORDER BY turn, id LIMIT :limit) RETURNING id`;

/** By jobs_due. */
export const FIRST_DUE = `SELECT id FROM jobs INDEXED BY jobs_due
  WHERE status = 'queued' AND due_at IS NULL AND tool = :tool ORDER BY turn, id LIMIT 1`;

/**
 * Teams and tools with held jobs, one step in jobs_held each: whether a limited run of the team goes
 * on, whose end will let more of them go, and whether one that was let go waits to be claimed.
 */
export const HELD_LANES = `WITH RECURSIVE heads (team_id, tool, turn) AS (
    SELECT * FROM (SELECT team_id, tool, turn FROM jobs INDEXED BY jobs_held
      WHERE ${HELD} ORDER BY team_id, tool, turn, id LIMIT 1)
    UNION ALL
    SELECT next.team_id, next.tool, next.turn FROM heads JOIN jobs AS next ON next.id = coalesce(
      (SELECT id FROM jobs INDEXED BY jobs_held WHERE ${HELD} AND team_id = heads.team_id
        AND tool > heads.tool ORDER BY tool, turn, id LIMIT 1),
      (SELECT id FROM jobs INDEXED BY jobs_held WHERE ${HELD} AND team_id > heads.team_id
        ORDER BY team_id, tool, turn, id LIMIT 1)))
  SELECT team_id, tool,
    EXISTS (SELECT 1 FROM jobs INDEXED BY jobs_open
      WHERE completed_at IS NULL AND team_id = heads.team_id AND status = 'running'
        AND limited = 1) AS running,
    EXISTS (SELECT 1 FROM jobs INDEXED BY jobs_open
      WHERE completed_at IS NULL AND team_id = heads.team_id AND status = 'queued'
        AND tool = heads.tool AND turn <= heads.turn AND due_at IS NULL) AS due
  FROM heads`;

/** For an operator. */
export const HELD_JOBS = `SELECT count(*) AS jobs FROM jobs INDEXED BY jobs_held WHERE ${HELD}`;

/** For an operator: tools with held jobs of a team of which no limited run goes on. */
export const STRANDED = `SELECT DISTINCT tool FROM (${HELD_LANES}) AS lanes
  WHERE running = 0 AND due = 0`;
