/**
 * Who asks, by the tokens kept in the database. It is read at every request, so a revoked token is
 * refused at the next call, in every process.
 */
import { timingSafeEqual } from 'node:crypto';
import { now } from '../job/clock.ts';
import { SILENT, type Logger } from '../job/log.ts';
import type { Store } from '../store/store.ts';
import type { Identify, Identity } from './identify.ts';
import { getToken, touchToken, type TokenRow } from './statements.ts';
import { digestOf, parseTokenText, type Environment } from './token-text.ts';

export interface TokensOptions {
  /** Tokens of the other environment are refused. Default `live`. */
  readonly environment?: Environment;
  readonly log?: Logger;
}

const TOUCH_EVERY_MS = 60_000;
const TOUCHED_MAX = 10_000;

/**
 * Identify callers by `Authorization: Bearer mpt_…`, with the tokens that `token create` made.
 *
 * @returns a function that answers null for every token that is absent, malformed, unknown,
 *   expired, revoked or of the other environment
 */
export function tokens(store: Store, options: TokensOptions = {}): Identify {
  const { environment = 'live', log = SILENT } = options;
  const touch = makeTouch(store, log);
  return async (request) => {
    const text = bearerOf(request);
    const parsed = text === null ? null : parseTokenText(text);
    if (text === null || parsed === null || parsed.environment !== environment) return null;
    const [row] = await store.read(getToken, { id: parsed.id });
    const isHolder = row !== undefined && timingSafeEqual(digestOf(text), row.secret_sha256);
    const at = now();
    if (!isHolder || row.id !== parsed.id || !isLive(row, at)) return null;
    touch(row, at);
    try {
      return identityOf(row);
    } catch (error) {
      // What it may do cannot be read any more: then it may do nothing.
      log.error({ err: error, token: row.id }, 'A token is damaged in the database; make another');
      return null;
    }
  };
}

function bearerOf(request: Request | null): string | null {
  const [, text] =
    /^bearer ([\x21-\x7e]{1,200})$/i.exec(request?.headers.get('authorization') ?? '') ?? [];
  return text ?? null;
}

function isLive(row: TokenRow, at: number): boolean {
  return row.revoked_at === null && (row.expires_at === null || row.expires_at > at);
}

function identityOf(row: TokenRow): Identity {
  return {
    team: row.team_id,
    owner: row.owner_id,
    abilities: JSON.parse(row.abilities) as string[],
    ...(row.scopes !== null && { scopes: JSON.parse(row.scopes) as string[] }),
    token: row.id,
  };
}

/** Notes the use of a token at most once a minute, beside the request and never in its way. */
function makeTouch(store: Store, log: Logger): (row: TokenRow, at: number) => void {
  const touched = new Map<string, number>();
  return (row, at) => {
    const last = Math.max(row.last_used_at ?? 0, touched.get(row.id) ?? 0);
    if (at - last < TOUCH_EVERY_MS) return;
    if (touched.size >= TOUCHED_MAX) touched.clear();
    touched.set(row.id, at);
    store
      .write([touchToken({ id: row.id, at, before: at - TOUCH_EVERY_MS })])
      .catch((error: unknown) => {
        log.warn({ err: error, token: row.id }, 'The last use of a token was not noted');
      });
  };
}
