/** The statements of teams, owners and tokens for PostgreSQL, by name. */

/**
 * Serves `identify`: by primary key. An id of nobody gets a row too, that of a token without an id, so
 * that it takes as long.
 */
export const GET_TOKEN = `
  SELECT coalesce(id, '') AS id, coalesce(team_id, '') AS team_id, coalesce(owner_id, '') AS owner_id,
    coalesce(secret_sha256, decode(repeat('00', 32), 'hex')) AS secret_sha256, coalesce(abilities, '[]') AS abilities,
    scopes, last_used_at, expires_at, revoked_at
  FROM (SELECT 1) AS one LEFT JOIN tokens ON id = :id`;

/** The guard keeps it at one write a minute, however many processes saw the token in use. */
export const TOUCH_TOKEN = `
  UPDATE tokens SET last_used_at = :at
  WHERE id = :id AND (last_used_at IS NULL OR last_used_at <= :before)`;

export const INSERT_TEAM = `
  INSERT INTO teams (id, name, created_at) VALUES (:id, :name, :at) ON CONFLICT (name) DO NOTHING`;

export const INSERT_OWNER = `
  INSERT INTO owners (id, name, created_at) VALUES (:id, :name, :at) ON CONFLICT (name) DO NOTHING`;

/** Team and owner by name, so that they can be made in the same transaction. */
export const INSERT_TOKEN = `
  INSERT INTO tokens (id, team_id, owner_id, name, secret_sha256, abilities, scopes, created_at, expires_at)
  SELECT :id::text, teams.id, owners.id, :name::text, :secret_sha256::bytea, :abilities::text,
    :scopes::text, :at::bigint, :expires_at::bigint
  FROM teams, owners WHERE teams.name = :team AND owners.name = :owner`;

/** A token that was revoked before keeps the time at which it was. */
export const REVOKE_TOKEN = `
  UPDATE tokens SET revoked_at = :at WHERE id = :id AND revoked_at IS NULL`;

const COLUMNS = `tokens.id, tokens.team_id, teams.name AS team, tokens.owner_id, owners.name AS owner,
  tokens.name, tokens.abilities, tokens.scopes, tokens.created_at, tokens.last_used_at,
  tokens.expires_at, tokens.revoked_at`;
const JOINED = `tokens JOIN teams ON teams.id = tokens.team_id JOIN owners ON owners.id = tokens.owner_id`;

/** Live tokens of one owner in one team, newest first; index tokens_holder. */
export const LIST_TOKENS = `
  SELECT ${COLUMNS} FROM ${JOINED}
  WHERE tokens.team_id = :team AND tokens.owner_id = :owner AND tokens.revoked_at IS NULL
    AND (tokens.expires_at IS NULL OR tokens.expires_at > :at)
  ORDER BY tokens.created_at DESC, tokens.id DESC LIMIT :limit`;

/** For the operator: every token, revoked ones too, newest first. */
export const LIST_ALL_TOKENS = `
  SELECT ${COLUMNS} FROM ${JOINED}
  WHERE :team::text IS NULL OR teams.name = :team::text
  ORDER BY tokens.created_at DESC, tokens.id DESC LIMIT :limit`;
