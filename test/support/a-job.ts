/** Making jobs for tests: a new one with defaults, or one that was brought into any status. */
import assert from 'node:assert/strict';
import { now } from '../../src/job/clock.ts';
import { JobError } from '../../src/job/errors.ts';
import { newId } from '../../src/job/ids.ts';
import type { Job, NewJob } from '../../src/job/job.ts';
import type { Status } from '../../src/job/states.ts';
import { ask, cancel, complete, fail, type Change } from '../../src/job/transitions.ts';
import type { Who } from '../../src/job/who.ts';
import type { Claimed, ClaimRequest, Store } from '../../src/store/store.ts';

export function aJob(given: Partial<NewJob> = {}): NewJob {
  const createdAt = given.createdAt ?? now();
  return {
    id: newId('mjb', createdAt),
    tool: 'print',
    team: 'tem_a',
    owner: 'usr_a',
    scope: null,
    input: '{}',
    carry: null,
    requestId: 'req_1',
    attemptsMax: 3,
    timeoutMs: 60_000,
    createdAt,
    ...given,
  };
}

export function who(given: Partial<Who> = {}): Who {
  return { team: 'tem_a', owner: 'usr_a', abilities: ['*'], ...given };
}

/** The one who sees the job. */
export function ownerOf(job: Pick<NewJob, 'team' | 'owner'>): Who {
  return who({ team: job.team, owner: job.owner });
}

export function claim(store: Store, given: Partial<ClaimRequest> = {}): Promise<Claimed> {
  return store.claim({
    worker: 'wrk_1',
    tools: ['print'],
    limit: 100,
    leaseMs: 20_000,
    idle: true,
    ...given,
  });
}

/** Insert a job under a tool of its own and bring it into the status by legal moves. */
export async function aJobThatIs(
  store: Store,
  status: Status,
  given: Partial<NewJob> = {},
): Promise<Job> {
  const tool = given.tool ?? newId('tool').toLowerCase();
  const job = await store.insert(aJob({ ...given, tool }), 0);
  if (status === 'queued') return job;
  if (status === 'cancelled') return applied(store, job, cancel('req_2'));
  const [running] = (await claim(store, { tools: [tool] })).jobs;
  assert.equal(running?.id, job.id);
  if (status === 'running') return running;
  const changes = {
    waiting: () => ask(running, { size: 'How large?' }, 60_000),
    completed: () => complete(running, '{"n":1}', []),
    failed: () => fail(running, new JobError('NO_PAPER')),
  };
  return applied(store, running, changes[status]());
}

/** Apply a change that must succeed, and read what it made of the job. */
export async function applied(store: Store, job: Job, change: Change): Promise<Job> {
  const answer = change.lease
    ? await store.apply(job.id, change)
    : await store.applyAs(job.id, ownerOf(job), change);
  assert.equal(answer.outcome, 'applied');
  const after = await store.get(job.id, ownerOf(job));
  assert.ok(after);
  return after;
}
