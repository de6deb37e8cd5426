/**
 * The tables of teams, owners and tokens on SQLite. Released steps are never edited.
 *
 * An owner is a person, the same in every team; a token makes the person a member of one team.
 */
import type { Migrations } from '../../store/migrations.ts';

export const TEAM_MIGRATIONS: Migrations = {
  namespace: 'team',
  sqlite: [
    `CREATE TABLE teams (
      id TEXT NOT NULL PRIMARY KEY,
      name TEXT NOT NULL UNIQUE,
      created_at INTEGER NOT NULL
    ) STRICT`,
    `CREATE TABLE owners (
      id TEXT NOT NULL PRIMARY KEY,
      name TEXT NOT NULL UNIQUE,
      created_at INTEGER NOT NULL
    ) STRICT`,
    // The id is the public part of the token. The secret itself is never kept.
    `CREATE TABLE tokens (
      id TEXT NOT NULL PRIMARY KEY,
      team_id TEXT NOT NULL REFERENCES teams (id),
      owner_id TEXT NOT NULL REFERENCES owners (id),
      name TEXT NOT NULL,
      secret_sha256 BLOB NOT NULL CHECK (length(secret_sha256) = 32),
      abilities TEXT NOT NULL CHECK (json_valid(abilities)),
      scopes TEXT CHECK (scopes IS NULL OR json_valid(scopes)),
      created_at INTEGER NOT NULL,
      last_used_at INTEGER,
      expires_at INTEGER,
      revoked_at INTEGER
    ) STRICT`,
    `CREATE INDEX tokens_holder ON tokens (team_id, owner_id, created_at, id)`,
  ],
};
