import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CallToolResult } from '@modelcontextprotocol/client';
import type { Json } from '../job/json.ts';
import { callWith, resumeWith, type CallJobOptions } from './call-job.ts';
import type { ToolCaller } from './surface.ts';
import type { Pace } from './wait.ts';

const JOB = 'mjb_01J00000000000000000000000';

/** Time that passes only by resting; `rests` is what was rested. */
function aPace(): Pace & { readonly rests: number[]; readonly at: () => number } {
  let clock = 0;
  const rests: number[] = [];
  return {
    rests,
    at: () => clock,
    monotonic: () => clock,
    now: () => 1_800_000_000_000 + clock,
    rest: (ms, signal) => {
      if (signal?.aborted === true) return Promise.reject(new Error('aborted'));
      rests.push(ms);
      clock += ms;
      return Promise.resolve();
    },
  };
}

const answer = (data: Json): CallToolResult => ({ content: [], structuredContent: { data } });
const queued = (more: Record<string, Json> = {}) =>
  answer({ job_id: JOB, status: 'queued', ...more });
const completed = answer({ job_id: JOB, status: 'completed', result: { count: 250 } });
const refusal = (error: Record<string, Json>): CallToolResult => ({
  content: [],
  isError: true,
  structuredContent: { error },
});

type Step = CallToolResult | Error;

/** Answers by tool: the steps of a tool in turn, the last one for ever. */
function aClient(script: Record<string, Step[]>, called: string[] = []): ToolCaller {
  return {
    callTool: async ({ name }) => {
      called.push(name);
      const steps = script[name] ?? [];
      const step = steps.length > 1 ? steps.shift() : steps[0];
      if (step === undefined) throw new Error(`no step for ${name}`);
      if (step instanceof Error) throw step;
      return step;
    },
  };
}

const make = (client: ToolCaller, pace: Pace, options: CallJobOptions = {}) =>
  callWith(pace, client, { name: 'make', args: {}, options });

const refusedConnection = () =>
  new TypeError('fetch failed', {
    cause: Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), { code: 'ECONNREFUSED' }),
  });
const brokenConnection = () =>
  new TypeError('fetch failed', {
    cause: Object.assign(new Error('other side closed'), { code: 'UND_ERR_SOCKET' }),
  });

test('asks every second, then every five, then every thirty', async () => {
  const pace = aPace();
  const asked: number[] = [];
  const client: ToolCaller = {
    callTool: async ({ name }) => {
      if (name === 'get_job_status') asked.push(pace.at() / 1_000);
      return pace.at() >= 150_000 ? completed : queued();
    },
  };
  assert.deepEqual(await make(client, pace), { count: 250 });
  const dense = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60];
  assert.deepEqual(asked, [...dense, 90, 120, 150]);
});

test('a resumed job is asked after at once, and then by its age', async () => {
  const pace = aPace();
  const old = queued({ enqueued_at: new Date(pace.now() - 30_000).toISOString() });
  const client = aClient({ get_job_status: [old, completed] });
  const result = await resumeWith(pace, client, { jobId: JOB, known: null, options: {} });
  assert.deepEqual(result, { count: 250 });
  assert.deepEqual(pace.rests, [5_000]);
});

test('the hint of the server goes before the cadence, within bounds', async () => {
  const pace = aPace();
  const hints = [3_000, 0, 10_000_000].map((hint) => queued({ poll_after_ms: hint }));
  await make(aClient({ make: [queued()], get_job_status: [...hints, completed] }), pace);
  assert.deepEqual(pace.rests, [1_000, 3_000, 100, 60_000]);
});

test('a call that is rate limited waits for as long as it was told', async () => {
  const pace = aPace();
  const limited = refusal({ code: 'RATE_LIMITED', context: { retry_after_seconds: 7 } });
  const client = aClient({ make: [limited, queued()], get_job_status: [limited, completed] });
  assert.deepEqual(await make(client, pace), { count: 250 });
  assert.deepEqual(pace.rests, [7_000, 1_000, 7_000]);
});

test('polls go on when a server that was away is back', async () => {
  const pace = aPace();
  const script = {
    make: [queued()],
    get_job_status: [refusedConnection(), brokenConnection(), refusedConnection(), completed],
  };
  assert.deepEqual(await make(aClient(script), pace), { count: 250 });
  assert.equal(pace.rests.length, 4);
});

test('a server that stays away is given up, with the id of the job', async () => {
  const pace = aPace();
  const client = aClient({ make: [queued()], get_job_status: [refusedConnection()] });
  await assert.rejects(make(client, pace, { awayMs: 20_000 }), {
    code: 'SERVER_UNREACHABLE',
    context: { retryable: true, job_id: JOB },
  });
  assert.ok(pace.at() > 10_000 && pace.at() <= 22_000, `gave up after ${pace.at()} ms`);
});

test('a submission is sent again when the connection was never made', async () => {
  const called: string[] = [];
  const script = { make: [refusedConnection(), queued()], get_job_status: [completed] };
  await make(aClient(script, called), aPace());
  assert.deepEqual(called, ['make', 'make', 'get_job_status']);
});

test('a submission without an answer is never sent twice', async () => {
  const called: string[] = [];
  const client = aClient({ make: [brokenConnection(), queued()] }, called);
  await assert.rejects(make(client, aPace()), { code: 'SUBMISSION_UNKNOWN' });
  assert.deepEqual(called, ['make']);
});

test('a failed job is thrown with its code, fields and ids', async () => {
  const error = { code: 'EFFECT_REFUSED', message: 'No.', remediation: 'Again.', request_id: 'r1' };
  const failed = answer({ job_id: JOB, status: 'failed', error });
  const client = aClient({ make: [queued()], get_job_status: [failed] });
  await assert.rejects(make(client, aPace()), {
    name: 'JobError',
    code: 'EFFECT_REFUSED',
    message: 'No.',
    context: { retryable: false, request_id: 'r1', job_id: JOB },
  });
});

test('refused arguments are thrown at once', async () => {
  const fields = { quantity: ['must be 1..1000'] };
  const client = aClient({ make: [refusal({ code: 'VALIDATION_FAILED', fields })] });
  await assert.rejects(make(client, aPace()), { code: 'VALIDATION_FAILED', fields });
});

test('a synchronous tool gives its answer', async () => {
  const made = aClient({ make: [answer({ id: 'prj_1' })] });
  assert.deepEqual(await make(made, aPace()), { id: 'prj_1' });
  const said = aClient({ make: [{ content: [{ type: 'text', text: 'hello' }] }] });
  assert.equal(await make(said, aPace()), 'hello');
});

test('a server without structured content is read from its text', async () => {
  const text = (data: Json): CallToolResult => ({
    content: [{ type: 'text', text: JSON.stringify({ data }) }],
  });
  const client = aClient({
    make: [text({ job_id: JOB, status: 'queued' })],
    get_job_status: [text({ job_id: JOB, status: 'completed', result: { count: 1 } })],
  });
  assert.deepEqual(await make(client, aPace()), { count: 1 });
});

test('the id is stored before the first poll', async () => {
  const called: string[] = [];
  const client = aClient({ make: [queued()], get_job_status: [completed] }, called);
  const onSubmit = async (jobId: string) => {
    await Promise.resolve();
    called.push(jobId);
  };
  await make(client, aPace(), { onSubmit });
  assert.deepEqual(called, ['make', JOB, 'get_job_status']);
});

test('every state that the server tells is told on', async () => {
  const running = answer({ job_id: JOB, status: 'running' });
  const client = aClient({ make: [queued()], get_job_status: [running, completed] });
  const told: string[] = [];
  await make(client, aPace(), { onStatus: (state) => told.push(state.status) });
  assert.deepEqual(told, ['queued', 'running', 'completed']);
});

test('how far a job came is told before that it is over', async () => {
  const progress = { done: 2, total: 2, message: null, percent: 100 };
  const end = answer({ job_id: JOB, status: 'completed', result: {}, progress });
  const client = aClient({ make: [queued()], get_job_status: [end] });
  const told: unknown[] = [];
  await make(client, aPace(), {
    onStatus: ({ status }) => told.push(status),
    onProgress: ({ done }) => told.push(done),
  });
  assert.deepEqual(told, ['queued', 2, 'completed']);
});

test('waiting ends at the time limit, after one last look', async () => {
  const pace = aPace();
  const client = aClient({ make: [queued()], get_job_status: [queued()] });
  await assert.rejects(make(client, pace, { timeoutMs: 2_500 }), {
    code: 'WAIT_TIMEOUT',
    context: { retryable: true, job_id: JOB },
  });
  assert.deepEqual(pace.rests, [1_000, 1_000, 500]);
});

test('an abort ends the wait with its reason', async () => {
  const controller = new AbortController();
  const client = aClient({ make: [queued()], get_job_status: [queued()] });
  const options = {
    signal: controller.signal,
    onStatus: () => controller.abort(new Error('enough')),
  };
  await assert.rejects(make(client, aPace(), options), /enough/);
});
