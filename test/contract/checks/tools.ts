/** R1 to R5 and R34: which tools there are, which of them make jobs, and what they say about it. */
import assert from 'node:assert/strict';
import {
  callEveryTool,
  dataOf,
  findAll,
  JOB_ID,
  makePlan,
  POLL,
  PREVIEW,
  statusOf,
  SUBMIT,
  submit,
  textAt,
  untilFinal,
} from '../fixture.ts';
import type { Target } from '../target.ts';
import { callTool, fieldsOf, listTools, type Fields, type Tool } from '../wire.ts';

const BUDGET_MS = 30_000;

/** Tools of jobs which exist already: an id in their answers is no new one. */
const SHOWS_JOBS = new Set([POLL, 'list_jobs', 'cancel_job', 'answer_job']);

/** R1. Each tool is called once, the asynchronous one with the largest batch. */
export async function holdsNoCallForLong(target: Target): Promise<void> {
  const timeoutMs = target.budgetMs ?? BUDGET_MS;
  const { called } = await callEveryTool(target, { timeoutMs, quantity: 1_000 });
  for (const { tool, answer } of called) {
    assert.ok(answer.ms < timeoutMs, `${tool.name} took ${answer.ms} ms of at most ${timeoutMs}`);
  }
}

/** R2. */
export async function makesJobsWithOneToolOnly(target: Target): Promise<void> {
  const { called, jobId } = await callEveryTool(target);
  const makers = called.filter(({ answer }) => {
    const id = fieldsOf(answer.body, 'data')['job_id'];
    return typeof id === 'string' && id !== jobId;
  });
  assert.deepEqual(
    makers.map(({ tool }) => tool.name),
    [SUBMIT],
  );
}

/** R3. */
export async function answersFinallyElsewhere(target: Target): Promise<void> {
  const { called, jobId } = await callEveryTool(target);
  for (const { tool, answer } of called) {
    if (tool.name === SUBMIT || SHOWS_JOBS.has(tool.name)) continue;
    const ids = findAll(answer.body, (key) => key === 'job_id').filter((id) => id !== jobId);
    assert.deepEqual(ids, [], `${tool.name} answers with a job_id: ${answer.text}`);
  }
}

/** R4. "No job_id" has to be said in words; silence is not enough. */
export async function saysWhetherAJobComesBack(target: Target): Promise<void> {
  for (const era of ['2025-11-25', '2026-07-28'] as const) {
    for (const { name, description } of await listTools(target, { era })) {
      if (name === SUBMIT) {
        assert.match(description, /\bjob_id\b/, `${name} does not say that it returns a job_id`);
        assert.match(description, /\bget_job_status\b/, `${name} does not say what to call next`);
      } else {
        const denial = /\b(no|not|never|without)\b[^.]*\bjob_id\b/i;
        assert.match(description, denial, `${name} does not say that no job_id comes back`);
      }
    }
  }
}

/** R5. */
export async function makesAJobOfASingleCode(target: Target): Promise<void> {
  const data = dataOf(await submit(target, await makePlan(target), 1));
  assert.match(textAt(data, 'job_id'), JOB_ID);
  assert.equal(statusOf(data), 'queued');
  const done = await untilFinal(target, textAt(data, 'job_id'));
  assert.equal(fieldsOf(done, 'result')['count'], 1);
}

/** R34. */
export async function pointsToThePreview(target: Target): Promise<void> {
  const tools = new Map((await listTools(target)).map((tool) => [tool.name, tool]));
  const describe = (name: string): string => described(tools, name);
  assert.ok(describe(SUBMIT).includes(PREVIEW), `${SUBMIT} does not name ${PREVIEW}`);
  assert.ok(describe(SUBMIT).includes(POLL), `${SUBMIT} does not name ${POLL}`);
  assert.ok(describe(PREVIEW).includes(SUBMIT), `${PREVIEW} does not name ${SUBMIT}`);

  const planId = await makePlan(target);
  for (const quantity of [1, 50, 10_000]) {
    const answer = await callTool(target, PREVIEW, { plan_id: planId, quantity });
    checkPreview(dataOf(answer), planId, quantity);
  }
}

function described(tools: ReadonlyMap<string, Tool>, name: string): string {
  const tool = tools.get(name);
  assert.ok(tool !== undefined, `there is no tool ${name}`);
  return tool.description;
}

function checkPreview(data: Fields, planId: string, quantity: number): void {
  const preview = fieldsOf(data, 'preview');
  const free = preview['free_remaining'];
  assert.ok(Number.isInteger(free) && Number(free) >= 0, `free_remaining is ${String(free)}`);
  const chargeable = Math.max(0, quantity - Number(free));
  assert.equal(data['plan_id'], planId);
  assert.equal(data['quantity'], quantity);
  assert.equal(preview['chargeable_quantity'], chargeable);
  assert.match(textAt(preview, 'cost'), /^\d+\.\d\d$/);
  assert.equal(data['will_bill_overage'], chargeable > 0);
}
