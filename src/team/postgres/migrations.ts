/**
 * The tables of teams, owners and tokens on PostgreSQL. Released steps are never edited.
 *
 * An owner is a person, the same in every team; a token makes the person a member of one team.
 */
export const TEAM_STEPS: readonly string[] = [
  `CREATE TABLE teams (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    name text NOT NULL UNIQUE,
    created_at bigint NOT NULL
  )`,
  `CREATE TABLE owners (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    name text NOT NULL UNIQUE,
    created_at bigint NOT NULL
  )`,
  // The id is the public part of the token. The secret itself is never kept.
  `CREATE TABLE tokens (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    team_id text COLLATE "C" NOT NULL REFERENCES teams (id),
    owner_id text COLLATE "C" NOT NULL REFERENCES owners (id),
    name text NOT NULL,
    secret_sha256 bytea NOT NULL CHECK (length(secret_sha256) = 32),
    abilities text NOT NULL CHECK (json_typeof(abilities::json) = 'array'),
    scopes text CHECK (scopes IS NULL OR json_typeof(scopes::json) = 'array'),
    created_at bigint NOT NULL,
    last_used_at bigint,
    expires_at bigint,
    revoked_at bigint
  )`,
  `CREATE INDEX tokens_holder ON tokens (team_id, owner_id, created_at, id)`,
];
