/**
 * The statements of the access-code application for PostgreSQL, by name. The team stands in every one
 * that a caller can reach; `:scopes` is a JSON list of project ids, or null for no narrowing.
 */

const IN_SCOPE = (column: string) =>
  `(:scopes::text IS NULL
    OR ${column} IN (SELECT json_array_elements_text(:scopes::json)))`;

export const INSERT_PROJECT = `
  INSERT INTO projects (id, team_id, name, created_at) VALUES (:id, :team, :name, :at)`;

export const GET_PROJECT = `
  SELECT id, name, created_at FROM projects
  WHERE id = :id AND team_id = :team AND ${IN_SCOPE('id')}`;

const PROJECTS = `FROM projects WHERE team_id = :team AND ${IN_SCOPE('id')}`;

/** Newest first; index projects_team. */
export const PAGE_PROJECTS = `
  SELECT id, name, created_at ${PROJECTS} ORDER BY id DESC LIMIT :limit OFFSET :offset`;

export const COUNT_PROJECTS = `SELECT count(*) AS total ${PROJECTS}`;

const PLAN = `id, project_id, name, price_minor, currency, billing_cycle, billing_cycle_count, active, created_at`;

/** Changes no row when the name is taken in the project, or when the project is not the team's. */
export const INSERT_PLAN = `
  INSERT INTO plans (id, team_id, project_id, name, price_minor, currency, billing_cycle,
    billing_cycle_count, created_at)
  SELECT :id::text, team_id, id, :name::text, :price_minor::bigint, :currency::text,
    :billing_cycle::text, :billing_cycle_count::int, :at::bigint
  FROM projects WHERE id = :project AND team_id = :team
  ON CONFLICT (project_id, name) DO NOTHING`;

export const GET_PLAN = `
  SELECT ${PLAN} FROM plans WHERE id = :id AND team_id = :team AND ${IN_SCOPE('project_id')}`;

const PLANS = `FROM plans
  WHERE team_id = :team AND (:project::text IS NULL OR project_id = :project::text) AND ${IN_SCOPE('project_id')}`;

/** Newest first; index plans_team. */
export const PAGE_PLANS = `
  SELECT ${PLAN} ${PLANS} ORDER BY id DESC LIMIT :limit OFFSET :offset`;

export const COUNT_PLANS = `SELECT count(*) AS total ${PLANS}`;

/** Milliseconds since 1970, by the clock that the wiping goes by. */
const NOW = `floor(extract(epoch FROM now()) * 1000)::bigint`;

/**
 * Changes no row when the plan has vanished or is no longer active: the job ends as refused. Codes are
 * wiped by their age, so the clock of a worker that is behind must not make them older than they are.
 */
export const INSERT_BATCH = `
  INSERT INTO batches (id, team_id, owner_id, project_id, plan_id, quantity, expires_at, created_at, sealed)
  SELECT :id::text, team_id, :owner::text, project_id, id, :quantity::int, :expires_at::bigint,
    greatest(:at::bigint, ${NOW}), :sealed::bytea
  FROM plans WHERE id = :plan AND team_id = :team AND active = 1`;

/** All codes of a batch in one statement. */
export const INSERT_CODE = `
  INSERT INTO codes (id, team_id, project_id, plan_id, batch_id, ordinal, code_mac, first4, last4,
    expires_at, created_at)
  SELECT * FROM unnest(:id::text[], :team::text[], :project::text[], :plan::text[], :batch::text[],
    :ordinal::int[], :code_mac::bytea[], :first4::text[], :last4::text[], :expires_at::bigint[],
    :at::bigint[])`;

/** The codes of a batch for its owner; by primary key. */
export const GET_EXPORT = `
  SELECT batches.id, batches.quantity, batches.expires_at, batches.created_at, batches.sealed,
    plans.name AS plan
  FROM batches JOIN plans ON plans.id = batches.plan_id
  WHERE batches.id = :id AND batches.team_id = :team AND batches.owner_id = :owner
    AND ${IN_SCOPE('batches.project_id')}`;

/** One step of the wiping; index batches_sealed. */
export const WIPE_EXPORTS = `
  UPDATE batches SET sealed = NULL WHERE id IN (
    SELECT id FROM batches WHERE sealed IS NOT NULL AND created_at <= :before LIMIT 100)`;

const CODES = `FROM codes
  WHERE team_id = :team AND plan_id = :plan AND CASE :status::text
    WHEN 'redeemed' THEN redeemed_at IS NOT NULL
    WHEN 'unredeemed' THEN redeemed_at IS NULL AND (expires_at IS NULL OR expires_at > :at::bigint)
    WHEN 'expired' THEN redeemed_at IS NULL AND expires_at <= :at::bigint
    ELSE TRUE END`;

/** Newest first; index codes_plan. */
export const PAGE_CODES = `
  SELECT id, plan_id, batch_id, first4, last4, redeemed_at, expires_at, redeemed_by, created_at
  ${CODES} ORDER BY id DESC LIMIT :limit OFFSET :offset`;

export const COUNT_CODES = `SELECT count(*) AS total ${CODES}`;

/**
 * What redeeming needs to know of a code; by the unique index on code_mac. There is always a row, and
 * of a code that somebody else has used no more is read, so that both take as long as no code.
 */
export const GET_CODE = `
  SELECT coalesce(codes.id, '') AS id, coalesce(codes.plan_id, '') AS plan_id, codes.expires_at,
    codes.redeemed_at, coalesce(codes.redeemed_by, '') AS redeemed_by,
    plans.billing_cycle, plans.billing_cycle_count, subscriptions.starts_at, subscriptions.ends_at
  FROM (SELECT 1) AS one
  LEFT JOIN codes ON codes.code_mac = :code_mac AND codes.team_id = :team
    AND ${IN_SCOPE('codes.project_id')}
  LEFT JOIN plans ON plans.id = CASE WHEN codes.redeemed_at IS NULL THEN codes.plan_id END
  LEFT JOIN subscriptions
    ON subscriptions.id = CASE WHEN codes.redeemed_by = :subscriber THEN codes.id END`;

/** The guard is the promise of single use: of any number at once, one changes a row. */
export const REDEEM_CODE = `
  UPDATE codes SET redeemed_at = :at, redeemed_by = :subscriber
  WHERE id = :id AND team_id = :team AND redeemed_at IS NULL
    AND (expires_at IS NULL OR expires_at > :at)`;

export const INSERT_SUBSCRIPTION = `
  INSERT INTO subscriptions (id, team_id, project_id, plan_id, subscriber_id, starts_at, ends_at)
  SELECT id, team_id, project_id, plan_id, :subscriber::text, :starts_at::bigint, :ends_at::bigint
  FROM codes WHERE id = :id AND team_id = :team`;

export const COUNT_REDEMPTION = `
  INSERT INTO redemptions (team_id, cycle, count) VALUES (:team, :cycle, 1)
  ON CONFLICT (team_id, cycle) DO UPDATE SET count = redemptions.count + 1`;

export const GET_REDEMPTIONS = `
  SELECT count FROM redemptions WHERE team_id = :team AND cycle = :cycle`;

export const GET_KEY_FINGERPRINT = `SELECT fingerprint FROM code_key WHERE "only" = :only`;

export const INSERT_KEY_FINGERPRINT = `
  INSERT INTO code_key ("only", fingerprint) VALUES (1, :fingerprint)
  ON CONFLICT ("only") DO NOTHING`;
