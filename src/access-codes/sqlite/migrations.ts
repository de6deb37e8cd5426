/**
 * The tables of the access-code application on SQLite. Released steps are never edited.
 *
 * Ids sort by creation, so an index that ends in `id` also orders by time.
 */
import type { Migrations } from '../../index.ts';
import { ACCESS_CODE_STEPS } from '../postgres/migrations.ts';

export const ACCESS_CODE_MIGRATIONS: Migrations = {
  namespace: 'access-codes',
  postgres: ACCESS_CODE_STEPS,
  sqlite: [
    `CREATE TABLE projects (
      id TEXT NOT NULL PRIMARY KEY,
      team_id TEXT NOT NULL,
      name TEXT NOT NULL,
      created_at INTEGER NOT NULL
    ) STRICT`,
    `CREATE INDEX projects_team ON projects (team_id, id)`,
    `CREATE TABLE plans (
      id TEXT NOT NULL PRIMARY KEY,
      team_id TEXT NOT NULL,
      project_id TEXT NOT NULL REFERENCES projects (id),
      name TEXT NOT NULL,
      price_minor INTEGER NOT NULL CHECK (price_minor >= 0),
      currency TEXT NOT NULL,
      billing_cycle TEXT NOT NULL CHECK (billing_cycle IN ('days', 'weeks', 'months', 'years', 'lifetime')),
      billing_cycle_count INTEGER NOT NULL CHECK (billing_cycle_count BETWEEN 1 AND 99),
      active INTEGER NOT NULL DEFAULT 1,
      created_at INTEGER NOT NULL,
      UNIQUE (project_id, name)
    ) STRICT`,
    `CREATE INDEX plans_team ON plans (team_id, id)`,
    // One row per batch; 'sealed' holds its codes, encrypted, until the export window is over.
    `CREATE TABLE batches (
      id TEXT NOT NULL PRIMARY KEY,
      team_id TEXT NOT NULL,
      owner_id TEXT NOT NULL,
      project_id TEXT NOT NULL,
      plan_id TEXT NOT NULL REFERENCES plans (id),
      quantity INTEGER NOT NULL CHECK (quantity > 0),
      expires_at INTEGER,
      created_at INTEGER NOT NULL,
      sealed BLOB
    ) STRICT`,
    `CREATE INDEX batches_plan ON batches (plan_id)`,
    `CREATE INDEX batches_sealed ON batches (created_at) WHERE sealed IS NOT NULL`,
    // No plaintext: a keyed digest to find a code by, and what the mask shows of it.
    `CREATE TABLE codes (
      id TEXT NOT NULL PRIMARY KEY,
      team_id TEXT NOT NULL,
      project_id TEXT NOT NULL,
      plan_id TEXT NOT NULL,
      batch_id TEXT NOT NULL REFERENCES batches (id),
      ordinal INTEGER NOT NULL CHECK (ordinal >= 1),
      code_mac BLOB NOT NULL UNIQUE CHECK (length(code_mac) = 32),
      first4 TEXT NOT NULL,
      last4 TEXT NOT NULL,
      expires_at INTEGER,
      created_at INTEGER NOT NULL,
      redeemed_at INTEGER,
      redeemed_by TEXT,
      UNIQUE (batch_id, ordinal),
      CHECK ((redeemed_at IS NULL) = (redeemed_by IS NULL))
    ) STRICT`,
    `CREATE INDEX codes_plan ON codes (team_id, plan_id, id)`,
    // A subscription has the id of the code that it was got with: at most one per code.
    `CREATE TABLE subscriptions (
      id TEXT NOT NULL PRIMARY KEY REFERENCES codes (id),
      team_id TEXT NOT NULL,
      project_id TEXT NOT NULL,
      plan_id TEXT NOT NULL,
      subscriber_id TEXT NOT NULL,
      starts_at INTEGER NOT NULL,
      ends_at INTEGER
    ) STRICT`,
    // How many codes of a team were redeemed in a calendar month, such as '2026-05'.
    `CREATE TABLE redemptions (
      team_id TEXT NOT NULL,
      cycle TEXT NOT NULL,
      count INTEGER NOT NULL,
      PRIMARY KEY (team_id, cycle)
    ) STRICT`,
    // Names the key that this database belongs to, without telling anything of it.
    `CREATE TABLE code_key (
      only INTEGER NOT NULL PRIMARY KEY CHECK (only = 1),
      fingerprint BLOB NOT NULL
    ) STRICT`,
  ],
};
