/**
 * One job, seen through every surface at once while random things happen to it: the surfaces never
 * disagree, and none goes backwards.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { array, assert as check, asyncProperty, constantFrom } from 'fast-check';
import { definitionsOf } from '../../src/index.ts';
import { JobError } from '../../src/job/errors.ts';
import type { Job } from '../../src/job/job.ts';
import type { Json } from '../../src/job/json.ts';
import {
  ask,
  cancel,
  complete,
  fail,
  faulted,
  handBack,
  type Change,
} from '../../src/job/transitions.ts';
import { serve } from '../../src/http.ts';
import { tempStore } from '../support/temp.ts';
import { byName } from '../http/fixture.ts';
import * as jobs from './jobs.ts';
import { modern, old, plain, TASK_JOBS } from './wire.ts';

const WHO = { team: 'anna', owner: 'anna', abilities: ['*'] };

/** What may happen next to a job, as the store is told. */
const MOVES: Readonly<Record<string, (job: Job) => Change | false>> = {
  complete: (job) => held(job) && complete(job, '{"sum":3}', []),
  refuse: (job) => held(job) && fail(job, new JobError('OUT_OF_PAPER')),
  fault: (job) => held(job) && faulted(job, 'ATTEMPTS_EXHAUSTED', { baseMs: 0, maxMs: 0 }),
  handBack: (job) => held(job) && handBack(job),
  ask: (job) => held(job) && ask(job, { [`q${job.runs}`]: jobs.SIZE as unknown as Json }, 60_000),
  cancel: () => cancel('req_test'),
};

function held({ status, lease }: Job): boolean {
  return status === 'running' && lease !== null;
}

interface Seen {
  readonly plain: string;
  readonly modern: string;
  readonly old: string;
  readonly outcome: string;
}

/** Design section 3, as one table: what the three surfaces may show together. */
const TOGETHER: readonly Seen[] = [
  { plain: 'queued', modern: 'working', old: 'working', outcome: '' },
  { plain: 'running', modern: 'working', old: 'working', outcome: '' },
  { plain: 'running', modern: 'input_required', old: 'input_required', outcome: '' },
  { plain: 'completed', modern: 'completed', old: 'completed', outcome: 'result' },
  { plain: 'failed', modern: 'completed', old: 'completed', outcome: 'OUT_OF_PAPER' },
  { plain: 'failed', modern: 'failed', old: 'failed', outcome: 'ATTEMPTS_EXHAUSTED' },
  { plain: 'failed', modern: 'failed', old: 'failed', outcome: 'RUNS_EXHAUSTED' },
  { plain: 'failed', modern: 'cancelled', old: 'cancelled', outcome: 'JOB_CANCELLED' },
];
const RANK = ['queued', 'running', 'completed', 'failed'];

async function look(url: string, id: string): Promise<Seen & { readonly at: string }> {
  const [{ data }, { result: task }, { result: before }, { data: rows }, { result: tasks }] =
    await Promise.all([
      plain(url, 'get_job_status', { job_id: id }),
      modern(url, 'tasks/get', { taskId: id }),
      old(url, 'tasks/get', { taskId: id }),
      plain(url, 'list_jobs', {}),
      old(url, 'tasks/list', {}),
    ]);
  const row = rows.find((one: { job_id: string }) => one.job_id === id);
  const listed = tasks.tasks.find((one: { taskId: string }) => one.taskId === id);
  assert.equal(row.status, data.status);
  assert.deepEqual(listed, before);
  assert.equal(task.lastUpdatedAt, before.lastUpdatedAt);
  assert.equal(task.createdAt, data.enqueued_at);
  assert.equal(task.status === 'input_required', data.input_requests !== undefined);
  assert.deepEqual(Object.keys(task.inputRequests ?? {}), Object.keys(data.input_requests ?? {}));
  const isFinal = data.completed_at !== null;
  assert.equal(task.ttlMs === null, !isFinal);
  assert.equal(before.ttl, task.ttlMs);
  assert.equal(task.pollIntervalMs, before.pollInterval);
  const code = data.error?.code as string | undefined;
  const inTask = task.result?.structuredContent?.error ?? task.error?.data?.error;
  if (inTask !== undefined) assert.deepEqual(inTask, data.error);
  if (data.result !== null) {
    assert.deepEqual(task.result.structuredContent, { data: data.result });
  }
  return {
    plain: data.status,
    modern: task.status,
    old: before.status,
    outcome: code ?? (data.result === null ? '' : 'result'),
    at: task.lastUpdatedAt,
  };
}

test('the surfaces never disagree and never go backwards', { timeout: 55_000 }, async (t) => {
  const store = await tempStore(t);
  const serving = await serve({
    jobs: TASK_JOBS,
    db: store,
    identify: byName,
    port: 0,
    workers: 0,
    rateLimit: 0,
  });
  t.after(() => serving.close({ graceMs: 0 }));
  const { url } = serving;
  const tools = [...definitionsOf(jobs).keys()];
  const history = array(constantFrom('claim', 'answer', ...Object.keys(MOVES)), {
    minLength: 1,
    maxLength: 10,
  });
  const claim = () =>
    store.claim({ worker: 'wrk_test', tools, limit: 1, leaseMs: 60_000, idle: true });
  await check(
    asyncProperty(history, async (moves) => {
      const { data } = await plain(url, 'add', { a: 1, b: 2 });
      const id = data.job_id as string;
      let last: (Seen & { readonly at: string }) | null = null;
      let lease: Job | null = null;
      for (const move of moves) {
        const job = await store.get(id, WHO);
        assert.ok(job);
        if (move === 'claim') [lease = null] = (await claim()).jobs;
        else if (move === 'answer') {
          const open = Object.keys(job.questions ?? {});
          const inputResponses = Object.fromEntries(
            open.map((key) => [key, { action: 'decline' }]),
          );
          await modern(url, 'tasks/update', { taskId: id, inputResponses });
        } else {
          const change = MOVES[move]?.(move === 'cancel' || lease === null ? job : lease);
          if (change)
            await (change.lease ? store.apply(id, change) : store.applyAs(id, WHO, change));
        }
        const seen: Seen & { readonly at: string } = await look(url, id);
        const { at, ...together } = seen;
        const isRight = TOGETHER.some((row) => JSON.stringify(row) === JSON.stringify(together));
        assert.ok(isRight, `after ${move}: ${JSON.stringify(together)}`);
        if (last !== null) {
          assert.ok(at >= last.at, 'lastUpdatedAt goes backwards');
          assert.ok(
            RANK.indexOf(seen.plain) >= RANK.indexOf(last.plain),
            'the status goes backwards',
          );
          if (last.outcome !== '') assert.deepEqual(seen, last, 'a final job has changed');
        }
        last = seen;
      }
      await store.applyAs(id, WHO, cancel('req_test'));
    }),
    { numRuns: 60 },
  );
});
