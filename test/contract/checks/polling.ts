/** R12 to R18: what a poll reads, and that reading is all it does. */
import assert from 'node:assert/strict';
import {
  BATCH_ID,
  codesOf,
  completedJob,
  dataOf,
  makePlan,
  POLL,
  poll,
  submit,
  submitJob,
  textAt,
  untilFinal,
} from '../fixture.ts';
import type { Target } from '../target.ts';
import { fieldsOf, isFields, listTools, type Fields } from '../wire.ts';

const POLLS = 100;

/** R12. In both revisions of the protocol. */
export async function takesAJobIdAndAnswersWithAStatus(target: Target): Promise<void> {
  const tool = (await listTools(target)).find(({ name }) => name === POLL);
  assert.ok(tool !== undefined, `there is no tool ${POLL}`);
  assert.deepEqual(tool.inputSchema['required'], ['job_id']);
  const properties = fieldsOf(tool.inputSchema, 'properties');
  assert.equal(fieldsOf(properties, 'job_id')['type'], 'string');

  const jobId = await submitJob(target);
  for (const era of ['2025-11-25', '2026-07-28'] as const) {
    const data = await poll(target, jobId, { era });
    textAt(data, 'job_id');
    textAt(data, 'status');
  }
}

/** R13. */
export async function echoesTheId(target: Target): Promise<void> {
  const jobId = await submitJob(target);
  assert.equal((await poll(target, jobId))['job_id'], jobId);
  assert.equal((await untilFinal(target, jobId))['job_id'], jobId);
}

/** R14. */
export async function answersWithCountAndBatch(target: Target): Promise<void> {
  const { result } = await completedJob(target);
  assert.ok(isFields(result), `the result is no object: ${JSON.stringify(result)}`);
  assert.ok(Number.isInteger(result['count']), `the count is ${JSON.stringify(result['count'])}`);
  textAt(result, 'batch_id');
}

/** R15. The plan is fresh, so its codes are those of the batch. */
export async function countsWhatExists(target: Target): Promise<void> {
  const planId = await makePlan(target);
  const submitted = dataOf(await submit(target, planId, 37));
  const done = await untilFinal(target, textAt(submitted, 'job_id'));
  assert.equal(fieldsOf(done, 'result')['count'], 37);
  assert.equal(await codesOf(target, planId), 37);
}

/** R16. */
export async function namesBatchesByUlid(target: Target): Promise<void> {
  const [one, other] = [await completedJob(target), await completedJob(target)];
  const ids = [one, other].map((data) => textAt(fieldsOf(data, 'result'), 'batch_id'));
  for (const id of ids) assert.match(id, BATCH_ID);
  assert.notEqual(ids[0], ids[1], 'two batches share an id');
}

/** R17, for a job that completed; R22 looks at one that failed. */
export async function readsTheSameAfterTheEnd(target: Target): Promise<void> {
  const done = await completedJob(target);
  for (let round = 0; round < 5; round += 1) {
    assert.deepEqual(await poll(target, textAt(done, 'job_id')), done);
  }
}

/** R18. Where there is control, on a job that nothing else can move either. */
export async function leavesTheJobAsItWas(target: Target): Promise<void> {
  await target.control?.serve(0);
  const jobId = await submitJob(target);
  if (target.control === undefined) await untilFinal(target, jobId);
  const before = withoutHints(await poll(target, jobId));
  for (let round = 1; round < POLLS; round += 1) {
    assert.deepEqual(withoutHints(await poll(target, jobId)), before, `poll ${round + 1}`);
  }
}

/** The hints tell a client when to ask again; they follow the clock, not the job. */
function withoutHints(data: Fields): Fields {
  const { poll_after_ms: _, next_step: __, ...rest } = data;
  return rest;
}
