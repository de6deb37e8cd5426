/** R6 to R11: the answer to a submission, and what it is worth. */
import assert from 'node:assert/strict';
import {
  callEveryTool,
  codesOf,
  dataOf,
  findAll,
  JOB_ID,
  makePlan,
  poll,
  statusOf,
  submit,
  textAt,
  untilFinal,
  WIRE_TIME,
} from '../fixture.ts';
import { controlOf, type Target } from '../target.ts';
import { fieldsOf } from '../wire.ts';

const AT_ONCE_MS = 5_000;

/** A clock more than a minute off would be in another time zone. */
const CLOCK_TOLERANCE_MS = 60_000;

/** R6. Nobody can do the work here, so whoever waits for it waits for ever. */
export async function answersBeforeAnyWork(target: Target): Promise<void> {
  await controlOf(target).serve(0);
  const planId = await makePlan(target);
  const timeoutMs = target.atOnceMs ?? AT_ONCE_MS;
  const data = dataOf(await submit(target, planId, 1_000, { timeoutMs }));
  assert.equal(statusOf(data), 'queued');
  assert.equal(await codesOf(target, planId), 0, 'codes exist without a worker');
}

/** R7. In both revisions of the protocol. */
export async function answersWithTheThreeFields(target: Target): Promise<void> {
  const planId = await makePlan(target);
  for (const era of ['2025-11-25', '2026-07-28'] as const) {
    const data = dataOf(await submit(target, planId, 2, { era }));
    for (const key of ['job_id', 'status', 'enqueued_at']) {
      assert.notEqual(textAt(data, key), '', `${key} is empty in ${era}`);
    }
  }
}

/** R8. Several times, because an idle worker may be quick. */
export async function answersQueued(target: Target): Promise<void> {
  const planId = await makePlan(target);
  for (let round = 0; round < 5; round += 1) {
    assert.equal(statusOf(dataOf(await submit(target, planId, 1))), 'queued');
  }
}

/** R9. */
export async function namesJobsByUlid(target: Target): Promise<void> {
  const planId = await makePlan(target);
  for (let round = 0; round < 3; round += 1) {
    assert.match(textAt(dataOf(await submit(target, planId, 1)), 'job_id'), JOB_ID);
  }
}

/** R10. Whatever ends in `_at`, in the answer of every tool. */
export async function tellsTimesInWholeSecondsUtc(target: Target): Promise<void> {
  const answer = await submit(target, await makePlan(target), 2);
  const submitted = dataOf(answer);
  const enqueuedAt = textAt(submitted, 'enqueued_at');
  assert.match(enqueuedAt, WIRE_TIME);
  const serverTime = Date.parse(answer.headers.get('date') ?? '');
  if (!Number.isNaN(serverTime)) {
    const off = Math.abs(Date.parse(enqueuedAt) - serverTime);
    assert.ok(
      off < CLOCK_TOLERANCE_MS,
      `enqueued_at is ${off} ms away from the server's own clock`,
    );
  }
  const done = await untilFinal(target, textAt(submitted, 'job_id'));
  for (const key of ['enqueued_at', 'started_at', 'completed_at']) {
    assert.match(textAt(done, key), WIRE_TIME, key);
  }
  const { called } = await callEveryTool(target);
  for (const { tool, answer: other } of called) {
    for (const time of findAll(other.body, (key) => key.endsWith('_at'))) {
      const isTime = time === null || (typeof time === 'string' && WIRE_TIME.test(time));
      assert.ok(isTime, `${tool.name} tells the time as ${JSON.stringify(time)}`);
    }
  }
}

/** R11. */
export async function keepsWhatItAnswered(target: Target): Promise<void> {
  const control = controlOf(target);
  const planId = await makePlan(target);
  const jobId = textAt(dataOf(await submit(target, planId, 250)), 'job_id');
  await control.kill();
  await control.start();
  assert.equal((await poll(target, jobId))['job_id'], jobId);
  const done = await untilFinal(target, jobId);
  assert.equal(fieldsOf(done, 'result')['count'], 250, JSON.stringify(done));
  assert.equal(await codesOf(target, planId), 250);
}
