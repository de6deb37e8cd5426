/**
 * Making, listing and revoking tokens: what an operator does at the database itself.
 */
import { now } from '../job/clock.ts';
import { JobError } from '../job/errors.ts';
import { newId } from '../job/ids.ts';
import { parsedOr } from '../job/json.ts';
import type { Store } from '../store/store.ts';
import {
  getToken,
  insertOwner,
  insertTeam,
  insertToken,
  listAllTokens,
  listTokensOf,
  revokeTokenById,
  type ListedTokenRow,
} from './statements.ts';
import { digestOf, makeTokenText, type Environment } from './token-text.ts';

export interface NewToken {
  /** Names of the team and the owner; they are made when missing. 1..255 characters. */
  readonly team: string;
  readonly owner: string;
  /** What the token is for. Default `token`. */
  readonly name?: string;
  /** Names of abilities; `*` is every one but those that are granted by name only. */
  readonly abilities: readonly string[];
  /** Ids of the projects that the token is limited to. Default no limit. */
  readonly projects?: readonly string[];
  /** Default `live`. */
  readonly environment?: Environment;
  /** Wall time in milliseconds from which on it is refused. Default never. */
  readonly expiresAt?: number;
}

/** A token that was just made; `token` is shown this once and kept nowhere. */
export interface MintedToken {
  readonly token: string;
  readonly id: string;
  readonly team_id: string;
  readonly owner_id: string;
}

/** A token as lists show it, without its secret. Instants are wall time in milliseconds. */
export interface TokenInfo extends Omit<ListedTokenRow, 'abilities' | 'scopes'> {
  readonly abilities: readonly string[];
  /** Projects that it is limited to; empty is no limit. */
  readonly project_ids: readonly string[];
}

const LISTED_MAX = 1_000;
const ABILITY = /^(\*|[a-z][a-z0-9-]{0,60}:[a-z][a-z0-9-]{0,60})$/;
const PROJECT_SCOPE = 'scope:project:';
const PROJECT_ID = /^[\x21-\x7e]{1,100}$/;

/**
 * Make a token, and its team and owner where they are missing. Abilities of the form
 * `scope:project:<id>` count as `projects`.
 *
 * @throws JobError VALIDATION_FAILED that names each argument that is wrong; nothing was made
 */
export async function createToken(store: Store, wanted: NewToken): Promise<MintedToken> {
  const { team, owner, name = 'token', environment = 'live' } = wanted;
  const isScope = (ability: string) => ability.startsWith(PROJECT_SCOPE);
  const abilities = [...new Set(wanted.abilities.filter((one) => !isScope(one)))];
  const named = wanted.abilities.filter(isScope).map((one) => one.slice(PROJECT_SCOPE.length));
  const projects = [...new Set([...(wanted.projects ?? []), ...named])];
  refuse({ team, owner, name, abilities, projects });

  const at = now();
  const { id, text } = makeTokenText(environment);
  await store.write([
    insertTeam({ id: newId('tem', at), name: team, at }),
    insertOwner({ id: newId('usr', at), name: owner, at }),
    insertToken(
      {
        id,
        team,
        owner,
        name,
        secret_sha256: digestOf(text),
        abilities: JSON.stringify(abilities),
        scopes: projects.length > 0 ? JSON.stringify(projects) : null,
        at,
        expires_at: wanted.expiresAt ?? null,
      },
      { expect: 1 },
    ),
  ]);
  const [made] = await store.read(getToken, { id });
  if (made?.id !== id) throw new Error(`The token ${id} was written but cannot be read.`);
  return { token: text, id, team_id: made.team_id, owner_id: made.owner_id };
}

/** Live tokens of the caller in the caller's team, newest first; at most 1,000. */
export async function listTokens(
  store: Store,
  who: { readonly team: string; readonly owner: string },
): Promise<TokenInfo[]> {
  const { team, owner } = who;
  const rows = await store.read(listTokensOf, { team, owner, at: now(), limit: LISTED_MAX });
  return rows.map(toInfo);
}

/** For the operator: tokens of every team or of the named one, revoked ones too; at most 1,000. */
export async function allTokens(
  store: Store,
  options: { readonly team?: string } = {},
): Promise<TokenInfo[]> {
  const rows = await store.read(listAllTokens, { team: options.team ?? null, limit: LISTED_MAX });
  return rows.map(toInfo);
}

/**
 * Revoke a token; it is refused from the next request on.
 *
 * @param id the public part of the token, as lists show it
 * @returns false when there is none, or when it was revoked before
 */
export async function revokeToken(store: Store, id: string): Promise<boolean> {
  const { changed } = await store.write([revokeTokenById({ id, at: now() })]);
  return changed[0] === 1;
}

function toInfo(row: ListedTokenRow): TokenInfo {
  const { abilities, scopes, ...rest } = row;
  return {
    ...rest,
    abilities: parsedOr<string[]>(abilities, []),
    project_ids: parsedOr<string[]>(scopes, []),
  };
}

function refuse(wanted: {
  readonly team: string;
  readonly owner: string;
  readonly name: string;
  readonly abilities: readonly string[];
  readonly projects: readonly string[];
}): void {
  const fields: Record<string, string[]> = {};
  for (const field of ['team', 'owner', 'name'] as const) {
    const why = whyNotName(wanted[field]);
    if (why !== null) fields[field] = [why];
  }
  if (wanted.abilities.length === 0) fields['abilities'] = ['must name at least one ability, or *'];
  for (const ability of wanted.abilities) {
    if (ABILITY.test(ability)) continue;
    fields['abilities'] = [`"${ability}" is not of the form entity:action (such as mcp:full) or *`];
  }
  for (const project of wanted.projects) {
    if (!PROJECT_ID.test(project)) fields['projects'] = [`"${project}" is not the id of a project`];
  }
  if (Object.keys(fields).length === 0) return;
  const [first] = Object.entries(fields);
  const message = `The token cannot be made: ${first?.[0]} ${first?.[1][0]}.`;
  throw new JobError('VALIDATION_FAILED', { message, fields });
}

function whyNotName(name: string): string | null {
  if (name.length < 1 || name.length > 255) return 'must have 1..255 characters';
  if (name !== name.trim()) return 'must not begin or end with a space';
  if (!name.isWellFormed() || /[\p{Cc}\p{Cf}\u2028\u2029]|[\u{E0100}-\u{E01EF}]/u.test(name)) {
    return 'must not have control, zero-width or direction characters';
  }
  return null;
}
