import { now } from '../src/job/clock.ts';
import { newId } from '../src/job/ids.ts';
import type { NewJob } from '../src/job/job.ts';

export const WHO = { team: 'tem_bench', owner: 'own_bench', abilities: ['*'] };

/** A job as the queue hands it to the store. */
export function newJob(tool: string, input = '{"n":1}'): NewJob {
  const createdAt = now();
  return {
    id: newId('mjb', createdAt),
    tool,
    team: WHO.team,
    owner: WHO.owner,
    scope: null,
    input,
    carry: null,
    requestId: newId('req', createdAt),
    attemptsMax: 3,
    timeoutMs: 600_000,
    createdAt,
  };
}
