/** R19 to R23, R32 and R33: the four statuses, what stands beside each, and how they follow. */
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import {
  callEveryTool,
  completedJob,
  dataOf,
  isFinal,
  makePlan,
  POLL,
  poll,
  statusOf,
  submit,
  submitJob,
  textAt,
  UNKNOWN_JOB,
  untilFinal,
  WIRE_TIME,
} from '../fixture.ts';
import { controlOf, type Target } from '../target.ts';
import { callTool, fieldsOf, isFields, readMessage, type Fields } from '../wire.ts';

const STAYS_QUEUED_MS = 1_500;

/** So many batches of the largest size keep a worker busy long enough to be seen at work. */
const BATCHES_AT_ONCE = 4;
const ROUNDS_MAX = 10;
const WATCH_EVERY_MS = 5;
const WATCHED_MS_MAX = 50_000;
const POLLS_AFTER_THE_END = 2;

const ORDER = ['queued', 'running', 'final'];

/** The error envelope's fields that are always there. */
const ENVELOPE = ['code', 'message', 'docs_url', 'remediation', 'request_id'];

/** R19. */
export async function staysQueuedWithoutAWorker(target: Target): Promise<void> {
  await controlOf(target).serve(0);
  const jobId = await submitJob(target);
  const until = performance.now() + STAYS_QUEUED_MS;
  do {
    const data = await poll(target, jobId);
    assert.equal(statusOf(data), 'queued');
    assert.equal(data['started_at'] ?? null, null, 'a queued job has started');
    await pause(100);
  } while (performance.now() < until);
}

/** R20. */
export async function readsRunningWhileAtWork(target: Target): Promise<void> {
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    const seen = await watchBatches(target);
    const running = seen.flat().find((data) => data['status'] === 'running');
    if (running === undefined) continue;
    assert.match(textAt(running, 'started_at'), WIRE_TIME);
    assert.equal(running['completed_at'] ?? null, null, 'a running job has ended');
    return;
  }
  assert.fail(`none of ${ROUNDS_MAX * BATCHES_AT_ONCE} batches of 1,000 was ever seen running`);
}

/** R21. */
export async function readsCompletedWithItsOutput(target: Target): Promise<void> {
  const data = await completedJob(target);
  assert.ok(isFields(data['result']), `there is no output in ${JSON.stringify(data)}`);
  assert.equal(data['error'] ?? null, null);
  const times = ['enqueued_at', 'started_at', 'completed_at'].map((key) => textAt(data, key));
  assert.deepEqual(times.toSorted(), times, 'the times do not follow each other');
}

/** R22. The plan goes while its job waits, so the worker finds that it cannot be done. */
export async function readsFailedWithAnEnvelope(target: Target): Promise<void> {
  const control = controlOf(target);
  await control.serve(0);
  const planId = await makePlan(target);
  const jobId = textAt(dataOf(await submit(target, planId, 2)), 'job_id');
  await control.spoilPlan(planId);
  await control.serve(1);
  const data = await untilFinal(target, jobId);
  assert.equal(statusOf(data), 'failed', JSON.stringify(data));
  assert.equal(data['result'] ?? null, null);
  checkEnvelope(fieldsOf(data, 'error'));
  const { body, isError } = await callTool(target, POLL, { job_id: UNKNOWN_JOB });
  assert.equal(isError, true);
  checkEnvelope(fieldsOf(body, 'error'));
  assert.deepEqual(await poll(target, jobId), data, 'a failed job has changed');
}

function checkEnvelope(error: Fields): void {
  for (const key of ENVELOPE) assert.notEqual(textAt(error, key), '', `${key} is empty`);
  assert.match(textAt(error, 'code'), /^[A-Z][A-Z0-9_]*$/);
  assert.ok(URL.canParse(textAt(error, 'docs_url')), 'docs_url is no address');
  const optional = ['fields', 'context'];
  for (const key of optional) {
    if (error[key] !== undefined) assert.ok(isFields(error[key]), `${key} is no object`);
  }
  const unknown = Object.keys(error).filter((key) => ![...ENVELOPE, ...optional].includes(key));
  assert.deepEqual(unknown, [], 'the envelope has further fields');
}

/** R23. */
export async function movesForwardThroughFourStatuses(target: Target): Promise<void> {
  const seen = await watchBatches(target);
  for (const polls of seen) {
    let furthest = 0;
    for (const data of polls) {
      const step = isFinal(data) ? 'final' : statusOf(data);
      assert.ok(ORDER.includes(step), `there is a status "${step}"`);
      assert.ok(ORDER.indexOf(step) >= furthest, `a job went back to ${step}`);
      furthest = ORDER.indexOf(step);
    }
    const ends = new Set(polls.filter(isFinal).map(statusOf));
    assert.ok(ends.size <= 1, 'a job ended in two ways');
  }
}

/** R32. The text that a model reads is the same JSON. */
export async function wrapsSuccessInData(target: Target): Promise<void> {
  const { called } = await callEveryTool(target);
  for (const { tool, valid, answer } of called) {
    if (!valid) continue;
    assert.equal(answer.isError, false, `${tool.name} answered ${answer.text}`);
    const { data, meta: _, ...rest } = answer.body;
    assert.ok(
      typeof data === 'object' && data !== null,
      `${tool.name} has no data: ${answer.text}`,
    );
    assert.deepEqual(rest, {}, `${tool.name} answers beside data`);
    assert.deepEqual(readMessage(null, answer.text), answer.body, `the text of ${tool.name}`);
  }
}

/** R33. */
export async function fillsResultOrError(target: Target): Promise<void> {
  const seen = await watchBatches(target);
  for (const data of seen.flat()) {
    const filled = ['result', 'error'].filter((key) => (data[key] ?? null) !== null);
    const expected = { completed: ['result'], failed: ['error'] }[statusOf(data)] ?? [];
    assert.deepEqual(filled, expected, JSON.stringify(data));
  }
}

/** Submit several batches at once and watch one after the other, to a little after its end. */
async function watchBatches(target: Target): Promise<Fields[][]> {
  const planId = await makePlan(target);
  const submitted = await Promise.all(
    Array.from({ length: BATCHES_AT_ONCE }, () => submit(target, planId, 1_000)),
  );
  const seen: Fields[][] = [];
  for (const answer of submitted) seen.push(await watch(target, textAt(dataOf(answer), 'job_id')));
  return seen;
}

/** Everything that polls of one job read. */
async function watch(target: Target, jobId: string): Promise<Fields[]> {
  const seen: Fields[] = [];
  let giveUpAt = performance.now() + WATCHED_MS_MAX;
  for (let more = POLLS_AFTER_THE_END; more >= 0;) {
    const answer = await callTool(target, POLL, { job_id: jobId });
    seen.push(dataOf(answer));
    if (seen.some(isFinal)) more -= 1;
    giveUpAt += answer.waitedMs;
    assert.ok(performance.now() < giveUpAt, `${jobId} has not ended within ${WATCHED_MS_MAX} ms`);
    await pause(WATCH_EVERY_MS);
  }
  return seen;
}
