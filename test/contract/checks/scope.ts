/** R27 to R31: for how long, from where and by whom a job can be seen. */
import assert from 'node:assert/strict';
import {
  dataOf,
  makePlan,
  POLL,
  poll,
  submit,
  submitJob,
  textAt,
  UNKNOWN_JOB,
  untilFinal,
} from '../fixture.ts';
import { controlOf, type Target } from '../target.ts';
import { callTool, fieldsOf, initialize, listTools, type Fields, type Peer } from '../wire.ts';

/** R27. */
export async function keepsIdsForLife(target: Target): Promise<void> {
  const control = controlOf(target);
  const planId = await makePlan(target);
  const before = new Map<string, Fields>();
  for (let count = 0; count < 10; count += 1) {
    const jobId = textAt(dataOf(await submit(target, planId, 1)), 'job_id');
    assert.ok(!before.has(jobId), `${jobId} was given to two jobs`);
    before.set(jobId, await untilFinal(target, jobId));
  }
  await control.kill();
  await control.start();
  for (const [jobId, data] of before) assert.deepEqual(await poll(target, jobId), data);
  for (let count = 0; count < 3; count += 1) {
    const jobId = textAt(dataOf(await submit(target, planId, 1)), 'job_id');
    assert.ok(!before.has(jobId), `${jobId} was given to another job after a restart`);
  }
}

/** R28. From a later session, from none, in the other revision and, with control, after a crash. */
export async function answersAnySession(target: Target): Promise<void> {
  const planId = await makePlan(target);
  const session = await initialize(target);
  const jobId = textAt(dataOf(await submit(target, planId, 2, { session })), 'job_id');
  if (target.control !== undefined) {
    await target.control.kill();
    await target.control.start();
  }
  const later = await initialize(target);
  for (const options of [
    { session: later },
    { session: null },
    { era: '2026-07-28' as const, session: null },
  ]) {
    assert.equal((await poll(target, jobId, options))['job_id'], jobId);
  }
}

/** R29. */
export async function followsTheOwner(target: Target): Promise<void> {
  const jobId = await submitJob(target);
  await seen(peerOf(target, 'sameOwner'), jobId);
  await unseen(peerOf(target, 'otherOwner'), jobId);
}

/** R30. Both ways. */
export async function staysInTheTeam(target: Target): Promise<void> {
  const other = peerOf(target, 'otherTeam');
  await unseen(other, await submitJob(target));
  await unseen(target, await submitJob(other));
}

/** R31. Each of the four combinations submits, and each of the others asks. */
export async function needsTeamAndOwner(target: Target): Promise<void> {
  const peers: readonly Peer[] = [
    target,
    peerOf(target, 'otherOwner'),
    peerOf(target, 'otherTeam'),
    peerOf(target, 'stranger'),
  ];
  const jobs = await Promise.all(peers.map(async (peer) => submitJob(peer)));
  for (const [asking, peer] of peers.entries()) {
    for (const [submitting, jobId] of jobs.entries()) {
      await (asking === submitting ? seen(peer, jobId) : unseen(peer, jobId));
    }
  }
}

function peerOf(target: Target, which: keyof Target['tokens']): Peer {
  const token = target.tokens[which];
  assert.ok(token !== undefined, `there is no token ${which}`);
  return {
    get url() {
      return target.url;
    },
    token,
    observe: target.observe,
  };
}

async function seen(peer: Peer, jobId: string): Promise<void> {
  assert.equal((await poll(peer, jobId))['job_id'], jobId);
}

/** Answered like an id that was never given out, but for the id itself and the request's. */
async function unseen(peer: Peer, jobId: string): Promise<void> {
  const [foreign, unknown] = [await refusal(peer, jobId), await refusal(peer, UNKNOWN_JOB)];
  assert.equal(foreign.code, 'RESOURCE_NOT_FOUND');
  assert.deepEqual(foreign, unknown, 'a job of others is answered differently from no job');
  const lists = (await listTools(peer)).some(({ name }) => name === 'list_jobs');
  if (!lists) return;
  const { text } = await callTool(peer, 'list_jobs', {});
  assert.ok(!text.includes(jobId), 'list_jobs shows a job of others');
}

async function refusal(peer: Peer, jobId: string): Promise<{ code: unknown; answer: string }> {
  const { isError, httpStatus, body, text } = await callTool(peer, POLL, { job_id: jobId });
  assert.equal(isError, true, `a job of others is shown: ${text}`);
  const { code, request_id: requestId } = fieldsOf(body, 'error');
  const answer = `${httpStatus} ${text}`.replaceAll(jobId, 'ID');
  return { code, answer: answer.replaceAll(String(requestId), 'REQUEST') };
}
