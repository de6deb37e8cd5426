/**
 * The tables of the access-code application on PostgreSQL. Released steps are never edited.
 *
 * Ids sort by creation in the collation "C", so an index that ends in `id` also orders by time.
 */
const ID = 'text COLLATE "C" NOT NULL';

export const ACCESS_CODE_STEPS: readonly string[] = [
  `CREATE TABLE projects (
    id ${ID} PRIMARY KEY,
    team_id ${ID},
    name text NOT NULL,
    created_at bigint NOT NULL
  )`,
  `CREATE INDEX projects_team ON projects (team_id, id)`,
  `CREATE TABLE plans (
    id ${ID} PRIMARY KEY,
    team_id ${ID},
    project_id ${ID} REFERENCES projects (id),
    name text NOT NULL,
    price_minor bigint NOT NULL CHECK (price_minor >= 0),
    currency text NOT NULL,
    billing_cycle text NOT NULL CHECK (billing_cycle IN ('days', 'weeks', 'months', 'years', 'lifetime')),
    billing_cycle_count integer NOT NULL CHECK (billing_cycle_count BETWEEN 1 AND 99),
    active integer NOT NULL DEFAULT 1,
    created_at bigint NOT NULL,
    UNIQUE (project_id, name)
  )`,
  `CREATE INDEX plans_team ON plans (team_id, project_id, id)`,
  // One row per batch; 'sealed' holds its codes, encrypted, until the export window is over.
  `CREATE TABLE batches (
    id ${ID} PRIMARY KEY,
    team_id ${ID},
    owner_id ${ID},
    project_id ${ID},
    plan_id ${ID} REFERENCES plans (id),
    quantity integer NOT NULL CHECK (quantity > 0),
    expires_at bigint,
    created_at bigint NOT NULL,
    sealed bytea
  )`,
  `CREATE INDEX batches_plan ON batches (plan_id)`,
  `CREATE INDEX batches_sealed ON batches (created_at) WHERE sealed IS NOT NULL`,
  // No plaintext: a keyed digest to find a code by, and what the mask shows of it.
  `CREATE TABLE codes (
    id ${ID} PRIMARY KEY,
    team_id ${ID},
    project_id ${ID},
    plan_id ${ID},
    batch_id ${ID} REFERENCES batches (id),
    ordinal integer NOT NULL CHECK (ordinal >= 1),
    code_mac bytea NOT NULL UNIQUE CHECK (length(code_mac) = 32),
    first4 text NOT NULL,
    last4 text NOT NULL,
    expires_at bigint,
    created_at bigint NOT NULL,
    redeemed_at bigint,
    redeemed_by text,
    UNIQUE (batch_id, ordinal),
    CHECK ((redeemed_at IS NULL) = (redeemed_by IS NULL))
  )`,
  `CREATE INDEX codes_plan ON codes (team_id, plan_id, id)`,
  // A subscription has the id of the code that it was got with: at most one per code.
  `CREATE TABLE subscriptions (
    id ${ID} PRIMARY KEY REFERENCES codes (id),
    team_id ${ID},
    project_id ${ID},
    plan_id ${ID},
    subscriber_id text NOT NULL,
    starts_at bigint NOT NULL,
    ends_at bigint
  )`,
  // How many codes of a team were redeemed in a calendar month, such as '2026-05'.
  `CREATE TABLE redemptions (
    team_id ${ID},
    cycle text NOT NULL,
    count bigint NOT NULL,
    PRIMARY KEY (team_id, cycle)
  )`,
  // Names the key that this database belongs to, without telling anything of it.
  `CREATE TABLE code_key (
    "only" integer NOT NULL PRIMARY KEY CHECK ("only" = 1),
    fingerprint bytea NOT NULL
  )`,
];
