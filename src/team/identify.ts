import type { Who } from '../job/who.ts';

/** Who asks, and the name of the credential that says so (for rate limits; never the credential). */
export interface Identity extends Who {
  readonly token?: string;
}

/**
 * Finds out who asks. The only source of team and owner.
 *
 * @param request the HTTP request, or null on stdio
 * @returns null when nobody can be told: the answer is 401
 */
export type Identify = (request: Request | null) => Promise<Identity | null> | Identity | null;
