/** Who may: abilities, the team, and the projects that a token may be limited to. */
import { can, JobError, type Who } from '../index.ts';
import type { Bounds } from './statements.ts';

/** What each ability allows, as clients are told. */
export const ABILITIES = {
  'project:view-any': 'List projects.',
  'project:create': 'Create projects.',
  'project-subscription-plan:view-any': 'List plans.',
  'project-subscription-plan:create': 'Create plans.',
  'project-access-code:view-any': 'List access codes, masked.',
  'project-access-code:create': 'Generate access codes, and preview what they cost.',
  'project-access-code:update': 'Redeem access codes.',
};

/** @throws JobError TOKEN_MISSING_ABILITY */
export function demand(who: Who, ability: string): void {
  if (can(who, ability)) return;
  throw new JobError('TOKEN_MISSING_ABILITY', { context: { required_ability: ability } });
}

/** The caller's part of the parameters of every statement. */
export function boundsOf(who: Who): Bounds {
  return { team: who.team, scopes: who.scopes === undefined ? null : JSON.stringify(who.scopes) };
}

/** The one answer to unknown, foreign and out of scope. */
export function notFound(): JobError {
  return new JobError('RESOURCE_NOT_FOUND');
}
