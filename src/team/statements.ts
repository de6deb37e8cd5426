/** The statements of teams, owners and tokens, the same names on every engine. */
import { defineStatement } from '../job/effects.ts';
import * as postgres from './postgres/statements.ts';
import * as sqlite from './sqlite/statements.ts';

/** What `identify` needs of a token; where there is none the id is empty. Instants are wall time in milliseconds. */
export interface TokenRow {
  readonly id: string;
  readonly team_id: string;
  readonly owner_id: string;
  readonly secret_sha256: Uint8Array;
  /** JSON text: a list of names. */
  readonly abilities: string;
  /** JSON text: a list of project ids; null is no narrowing. */
  readonly scopes: string | null;
  readonly last_used_at: number | null;
  readonly expires_at: number | null;
  readonly revoked_at: number | null;
}

/** What lists show of a token, with the names of its team and owner. */
export interface ListedTokenRow extends Omit<TokenRow, 'secret_sha256'> {
  readonly team: string;
  readonly owner: string;
  readonly name: string;
  readonly created_at: number;
}

export const getToken = defineStatement<{ id: string }, TokenRow>({
  name: 'get_token',
  sqlite: sqlite.GET_TOKEN,
  postgres: postgres.GET_TOKEN,
});

export const touchToken = defineStatement<{ id: string; at: number; before: number }>({
  name: 'touch_token',
  sqlite: sqlite.TOUCH_TOKEN,
  postgres: postgres.TOUCH_TOKEN,
});

interface Named extends Record<string, string | number> {
  id: string;
  name: string;
  at: number;
}

export const insertTeam = defineStatement<Named>({
  name: 'insert_team',
  sqlite: sqlite.INSERT_TEAM,
  postgres: postgres.INSERT_TEAM,
});

export const insertOwner = defineStatement<Named>({
  name: 'insert_owner',
  sqlite: sqlite.INSERT_OWNER,
  postgres: postgres.INSERT_OWNER,
});

export const insertToken = defineStatement<{
  id: string;
  team: string;
  owner: string;
  name: string;
  secret_sha256: Uint8Array;
  abilities: string;
  scopes: string | null;
  at: number;
  expires_at: number | null;
}>({ name: 'insert_token', sqlite: sqlite.INSERT_TOKEN, postgres: postgres.INSERT_TOKEN });

export const revokeTokenById = defineStatement<{ id: string; at: number }>({
  name: 'revoke_token',
  sqlite: sqlite.REVOKE_TOKEN,
  postgres: postgres.REVOKE_TOKEN,
});

export const listTokensOf = defineStatement<
  { team: string; owner: string; at: number; limit: number },
  ListedTokenRow
>({ name: 'list_tokens', sqlite: sqlite.LIST_TOKENS, postgres: postgres.LIST_TOKENS });

export const listAllTokens = defineStatement<
  { team: string | null; limit: number },
  ListedTokenRow
>({
  name: 'list_all_tokens',
  sqlite: sqlite.LIST_ALL_TOKENS,
  postgres: postgres.LIST_ALL_TOKENS,
  heavy: true,
});
