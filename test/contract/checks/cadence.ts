/** R24 to R26: how often to ask, that asking so often is allowed, and how long it takes. */
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import {
  dataOf,
  isFinal,
  makePlan,
  POLL,
  poll,
  submit,
  submitJob,
  textAt,
  untilFinal,
} from '../fixture.ts';
import type { Target } from '../target.ts';
import { callTool, type Fields, type ToolAnswer } from '../wire.ts';

/** Twenty polls in the first minute and two in each of the nine that follow. */
const POLLS_IN_TEN_MINUTES = 38;

const WELL_UNDER_A_MINUTE_MS = 30_000;

/** The wire shows whole seconds, and a request takes its time: near a border both are right. */
const BORDER_MS = 1_500;

/**
 * R24. The hint beside an open job. Only where there is control does a job stay open long enough to
 * see more than the first ten seconds.
 */
export async function advisesTheCadence(target: Target): Promise<void> {
  await target.control?.serve(0);
  const submitted = dataOf(await submit(target, await makePlan(target), 2));
  assert.equal(submitted['poll_after_ms'], 1_000);
  const jobId = textAt(submitted, 'job_id');
  checkHint(await poll(target, jobId));
  if (target.control === undefined) {
    checkHint(await untilFinal(target, jobId));
    return;
  }
  for (const olderMs of [5_000, 20_000, 25_000, 40_000, 600_000]) {
    await target.control.age(jobId, olderMs);
    checkHint(await poll(target, jobId));
  }
}

function checkHint(data: Fields): void {
  const ageMs = Date.now() - Date.parse(textAt(data, 'enqueued_at'));
  const hints = [ageMs - BORDER_MS, ageMs, ageMs + BORDER_MS].map(advisedMs);
  const allowed = isFinal(data) ? [undefined] : hints;
  const hint = data['poll_after_ms'];
  assert.ok(
    allowed.some((ms) => ms === hint),
    `at ${ageMs} ms of age the hint is ${String(hint)}: ${JSON.stringify(data)}`,
  );
}

function advisedMs(ageMs: number): number {
  if (ageMs < 10_000) return 1_000;
  return ageMs < 60_000 ? 5_000 : 30_000;
}

/**
 * R25. Ten minutes' worth of calls at once: what passes in one go passes when spread out. The token
 * may have been used just before, so a refusal counts only in a fresh window.
 */
export async function allowsTheCadence(target: Target): Promise<void> {
  const planId = await makePlan(target);
  const first = await refusalOf(target, planId);
  if (first === null) return;
  await pause(Number(first.headers.get('retry-after') ?? 60) * 1_000);
  assert.equal(await refusalOf(target, planId), null, 'the cadence is rate limited');
}

async function refusalOf(target: Target, planId: string): Promise<ToolAnswer | null> {
  const options = { patient: false };
  const submitted = await submit(target, planId, 1, options);
  if (submitted.httpStatus === 429) return submitted;
  const args = { job_id: textAt(dataOf(submitted), 'job_id') };
  for (let count = 0; count < POLLS_IN_TEN_MINUTES; count += 1) {
    const answer = await callTool(target, POLL, args, options);
    if (answer.httpStatus === 429) return answer;
    dataOf(answer);
  }
  return null;
}

/** R26. By this clock and by the server's. */
export async function completesInWellUnderAMinute(target: Target): Promise<void> {
  const jobId = await submitJob(target, 1_000);
  const data = await untilFinal(target, jobId, WELL_UNDER_A_MINUTE_MS);
  assert.equal(data['status'], 'completed', JSON.stringify(data));
  const tookMs = Date.parse(textAt(data, 'completed_at')) - Date.parse(textAt(data, 'enqueued_at'));
  assert.ok(tookMs <= WELL_UNDER_A_MINUTE_MS, `1,000 codes took ${tookMs} ms`);
}
