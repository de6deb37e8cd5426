import {
  requireBearerAuth,
  type AuthInfo,
  type OAuthTokenVerifier,
} from '@modelcontextprotocol/server';
import { hash } from 'node:crypto';
import type { Identify } from '../team/identify.ts';

export interface BearerOptions {
  /** The team of a verified token; null refuses it. */
  readonly team: (auth: AuthInfo) => Promise<string | null> | string | null;
  /** Refuse tokens that were not issued for this resource (RFC 8707). Default: not checked. */
  readonly expectedResource?: URL;
}

/**
 * Identify callers by the access tokens of an OAuth authorization server.
 *
 * The owner is issuer and subject together, so the verifier has to fill `extra.iss` and
 * `extra.sub`; a token without them is refused. The abilities are the token's scopes.
 *
 * @throws TypeError when `team` is missing
 */
export function bearer(verifier: OAuthTokenVerifier, options: BearerOptions): Identify {
  if (typeof options?.team !== 'function') {
    throw new TypeError(
      'bearer(verifier, { team }): `team` must be a function from the verified token to the team it belongs to.',
    );
  }
  const { team: teamOf, expectedResource } = options;
  const verify = requireBearerAuth({ verifier, ...(expectedResource && { expectedResource }) });
  return async (request) => {
    if (request === null) return null;
    const auth = await verify(request);
    if (auth instanceof Response) {
      if (auth.status >= 500) throw new Error('The verifier of access tokens failed.');
      return null;
    }
    const { iss, sub } = auth.extra ?? {};
    if (!isName(iss) || !isName(sub)) return null;
    const team = await teamOf(auth);
    if (!isName(team)) return null;
    // An issuer is a URL without a fragment, so the two parts can be told apart.
    const owner = `${iss}#${sub}`;
    return { team, owner, abilities: auth.scopes, token: hash('sha256', auth.token) };
  };
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}
