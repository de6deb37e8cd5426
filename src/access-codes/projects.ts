import { JobError, newId, now, toWireTime, type Store, type Who } from '../index.ts';
import { insertProject, type ProjectRow } from './statements.ts';

/** A project as callers read it. */
export type Project = { readonly id: string; readonly name: string; readonly created_at: string };

export function toProject(row: ProjectRow): Project {
  return { id: row.id, name: row.name, created_at: toWireTime(row.created_at) };
}

/** @throws JobError TOKEN_MISSING_ABILITY for a caller that is limited to certain projects */
export async function createProject(store: Store, who: Who, name: string): Promise<Project> {
  if (who.scopes !== undefined) {
    throw new JobError('TOKEN_MISSING_ABILITY', {
      message: 'The token is limited to certain projects, so it cannot make another.',
      remediation: 'Use a token of the team that is not limited to projects.',
      context: { required_ability: 'project:create', reason: 'limited_to_projects' },
    });
  }
  const at = now();
  const row = { id: newId('prj', at), name, created_at: at };
  await store.write([insertProject({ id: row.id, team: who.team, name, at }, { expect: 1 })]);
  return toProject(row);
}
