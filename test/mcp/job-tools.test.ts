/** The tools of jobs, as a client meets them over HTTP. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { ANNA, aServer, call, finished, rpc, rpc2026 } from '../http/fixture.ts';

const JOB_ID = /^mjb_[0-7][0-9A-HJKMNP-TV-Z]{25}$/;
const WIRE_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;
const unknownId = 'mjb_01HX0000000000000000000000';

test('a submission answers with a queued job and says what to do next', async (t) => {
  const { url } = await aServer(t);
  const { data } = await call(url, 'add', { a: 1, b: 2 });
  assert.deepEqual(Object.keys(data), [
    'job_id',
    'status',
    'enqueued_at',
    'poll_after_ms',
    'next_step',
  ]);
  assert.match(data.job_id, JOB_ID);
  assert.equal(data.status, 'queued');
  assert.match(data.enqueued_at, WIRE_TIME);
  assert.equal(data.poll_after_ms, 1_000);
  assert.match(data.next_step, /get_job_status/);
});

test('a poll of a completed job has its result, and the same bytes every time', async (t) => {
  const { url } = await aServer(t);
  const { data: submitted } = await call(url, 'add', { a: 1, b: 2 });
  const data = await finished(url, submitted.job_id);
  assert.deepEqual(data, {
    job_id: submitted.job_id,
    tool_name: 'add',
    status: 'completed',
    result: { sum: 3 },
    error: null,
    enqueued_at: submitted.enqueued_at,
    started_at: data.started_at,
    completed_at: data.completed_at,
    runs: 1,
    attempts: 0,
  });
  assert.match(data.started_at, WIRE_TIME);
  assert.match(data.completed_at, WIRE_TIME);
  const again = await call(url, 'get_job_status', { job_id: submitted.job_id });
  assert.equal(JSON.stringify(again), JSON.stringify({ data }));
});

test('a job that no worker has taken is queued, with nulls for what is not known', async (t) => {
  const { url } = await aServer(t, { inProcess: false, workers: 0 });
  const { data: submitted } = await call(url, 'add', { a: 1, b: 2 });
  const { data } = await call(url, 'get_job_status', { job_id: submitted.job_id });
  const { status, result, error, started_at, completed_at, poll_after_ms } = data;
  assert.deepEqual(
    { status, result, error, started_at, completed_at, poll_after_ms },
    {
      status: 'queued',
      result: null,
      error: null,
      started_at: null,
      completed_at: null,
      poll_after_ms: 1_000,
    },
  );
});

test('a failed job is a poll that succeeds, with the standard envelope inside', async (t) => {
  const { url, publicUrl } = await aServer(t);
  const { data: submitted } = await call(url, 'refuse', {});
  const data = await finished(url, submitted.job_id);
  assert.equal(data.status, 'failed');
  assert.equal(data.result, null);
  assert.deepEqual(
    { ...data.error, request_id: '' },
    {
      code: 'OUT_OF_PAPER',
      docs_url: `${publicUrl}/errors#OUT_OF_PAPER`,
      message: 'There is no paper.',
      remediation: data.error.remediation,
      request_id: '',
      context: { retryable: false },
    },
  );
  assert.match(data.error.request_id, /^req_/);
});

test('what prepare answers joins data, but cannot replace the job_id', async (t) => {
  const { url } = await aServer(t);
  const { data } = await call(url, 'prepared', { what: 'fine' });
  assert.deepEqual(data.preview, { cost: '0.00' });
  assert.match(data.job_id, JOB_ID);
});

test('view adds to the result what only the server knows', async (t) => {
  const { url } = await aServer(t, { publicUrl: 'https://jobs.example.com' });
  const { data } = await call(url, 'prepared', { what: 'fine' });
  const { result } = await finished(url, data.job_id);
  assert.deepEqual(result, { carried: 'hello', link: 'https://jobs.example.com/things/hello' });
});

test('a refused submission leaves no job', async (t) => {
  const logged: unknown[][] = [];
  const error = (...line: unknown[]) => void logged.push(line);
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error };
  const { url } = await aServer(t, { log });
  const codes = [];
  for (const what of ['refused', 'not-json', 'broken', 'nonsense']) {
    const { error: refusal } = await call(url, 'prepared', { what });
    codes.push(refusal.code);
    assert.ok(!JSON.stringify(refusal).includes('secret'));
  }
  assert.deepEqual(codes, ['CONFLICT', 'INTERNAL_ERROR', 'INTERNAL_ERROR', 'VALIDATION_FAILED']);
  assert.equal(logged.length, 2, 'the two faults are logged');
  assert.match(String(logged[0]?.[1]), /not JSON at carry: a Date/);
  const { data } = await call(url, 'list_jobs', {});
  assert.deepEqual(data, []);
});

test('a definition with an ability refuses callers without it', async (t) => {
  const { url } = await aServer(t);
  const options = { token: 'anna/anna/other' };
  const { error } = await call(url, 'prepared', { what: 'fine' }, options);
  assert.equal(error.code, 'TOKEN_MISSING_ABILITY');
  assert.equal(error.context.required_ability, 'things:make');
});

for (const [title, args, field] of [
  ['a wrong type', { a: '1', b: 2 }, 'a'],
  ['a missing field', { a: 1 }, 'b'],
  ['an unknown field', { a: 1, b: 2, c: 3 }, 'c'],
  ['a list', [1, 2], 'arguments'],
  ['a text', 'a=1', 'arguments'],
  ['null', null, 'arguments'],
] as const) {
  for (const [era, send] of [
    ['2025', rpc],
    ['2026', rpc2026],
  ] as const) {
    test(`arguments that are ${title} are VALIDATION_FAILED by field (${era})`, async (t) => {
      const { url } = await aServer(t);
      const { body } = await send(url, 'tools/call', { name: 'add', arguments: args });
      assert.equal(body.result.isError, true);
      const { error } = body.result.structuredContent;
      assert.equal(body.result.content[0].text, JSON.stringify({ error }));
      assert.equal(error.code, 'VALIDATION_FAILED');
      assert.deepEqual(Object.keys(error.fields), [field]);
    });
  }
}

test('a member named __proto__ is an unknown field and nothing else', async (t) => {
  const { url } = await aServer(t);
  const args = JSON.parse('{"a":1,"b":2,"__proto__":{"polluted":true}}') as unknown;
  const { error } = await call(url, 'add', args);
  assert.deepEqual(Object.entries(error.fields), [['__proto__', ['is not a known field']]]);
  assert.equal(({} as { polluted?: boolean }).polluted, undefined);
});

test('an unknown tool is a protocol error, whatever its arguments', async (t) => {
  const { url } = await aServer(t);
  for (const name of ['nope', 'constructor', '__proto__']) {
    for (const send of [rpc, rpc2026]) {
      const { body } = await send(url, 'tools/call', { name, arguments: {} });
      assert.equal(body.error.code, -32602, name);
    }
  }
});

test('get_job_status refuses what is no job_id and knows nothing of strange ones', async (t) => {
  const { url } = await aServer(t);
  for (const args of [{}, { job_id: 5 }, { job_id: '' }, { job_id: null }]) {
    const { error } = await call(url, 'get_job_status', args);
    assert.equal(error.code, 'VALIDATION_FAILED');
    assert.deepEqual(Object.keys(error.fields), ['job_id']);
  }
  for (const id of ['nope', unknownId, "' OR 1=1", '\ud800', '\0', 'x'.repeat(100_000)]) {
    const { error } = await call(url, 'get_job_status', { job_id: id });
    assert.equal(error.code, 'RESOURCE_NOT_FOUND');
  }
});

test("somebody else's job is answered like an unknown id, byte for byte", async (t) => {
  const { url } = await aServer(t);
  const { data } = await call(url, 'add', { a: 1, b: 2 });
  const bytes = [];
  for (const [token, id] of [
    ['anna/bert/*', data.job_id],
    ['other/anna/*', data.job_id],
    ['other/bert/*', unknownId],
  ]) {
    const answer = await call(url, 'get_job_status', { job_id: id }, { token });
    bytes.push(JSON.stringify(answer).replace(/req_\w+/, ''));
  }
  assert.equal(new Set(bytes).size, 1);
  const colleague = { token: 'anna/bert/job:view-any' };
  const seen = await call(url, 'get_job_status', { job_id: data.job_id }, colleague);
  assert.equal(seen.data.job_id, data.job_id);
});

test('list_jobs leafs through own jobs, newest first, each once', async (t) => {
  const { url } = await aServer(t, { inProcess: false, workers: 0 });
  const submitted: string[] = [];
  for (let i = 0; i < 5; i += 1) {
    submitted.unshift((await call(url, 'add', { a: i, b: i })).data.job_id);
  }
  await call(url, 'add', { a: 1, b: 2 }, { token: 'anna/bert/*' });
  const listed: string[] = [];
  let cursor: string | null = null;
  do {
    const args: object = { limit: 2, ...(cursor && { cursor }) };
    const page = await call(url, 'list_jobs', args);
    assert.equal(page.meta.has_more, page.meta.next_cursor !== null);
    listed.push(...page.data.map((job: { job_id: string }) => job.job_id));
    cursor = page.meta.next_cursor;
  } while (cursor !== null);
  assert.deepEqual(listed, submitted);
});

test('list_jobs filters by status and tool, and refuses what is out of range', async (t) => {
  const { url } = await aServer(t);
  await finished(url, (await call(url, 'add', { a: 1, b: 2 })).data.job_id);
  await finished(url, (await call(url, 'refuse', {})).data.job_id);
  const tools = async (args: object) =>
    (await call(url, 'list_jobs', args)).data.map((job: { tool_name: string }) => job.tool_name);
  assert.deepEqual(await tools({}), ['refuse', 'add']);
  assert.deepEqual(await tools({ status: 'completed' }), ['add']);
  assert.deepEqual(await tools({ status: 'failed' }), ['refuse']);
  assert.deepEqual(await tools({ status: 'queued' }), []);
  assert.deepEqual(await tools({ tool_name: 'add' }), ['add']);
  for (const [args, field] of [
    [{ limit: 0 }, 'limit'],
    [{ limit: 101 }, 'limit'],
    [{ limit: 1.5 }, 'limit'],
    [{ limit: '2' }, 'limit'],
    [{ status: 'cancelled' }, 'status'],
    [{ cursor: 'nonsense' }, 'cursor'],
    [{ cursor: '' }, 'cursor'],
    [{ page: 2 }, 'page'],
  ] as const) {
    const { error } = await call(url, 'list_jobs', args);
    assert.equal(error.code, 'VALIDATION_FAILED');
    assert.deepEqual(Object.keys(error.fields), [field]);
  }
});

test('the cap of open jobs answers RATE_LIMITED with Retry-After', async (t) => {
  const { url } = await aServer(t, { inProcess: false, workers: 0, maxOutstanding: 1 });
  await call(url, 'add', { a: 1, b: 2 });
  const again = { name: 'add', arguments: { a: 1, b: 2 } };
  for (const send of [rpc, rpc2026]) {
    const { body, headers } = await send(url, 'tools/call', again);
    const { error } = body.result.structuredContent;
    assert.equal(error.code, 'RATE_LIMITED');
    assert.equal(error.context.retryable, true);
    assert.ok(Number(headers.get('retry-after')) >= 1);
  }
});

test('every answer satisfies the output schema that its tool advertises', async (t) => {
  const { url } = await aServer(t);
  const { body } = await rpc(url, 'tools/list', {});
  const ajv = new Ajv2020({ strict: false });
  const { data } = await call(url, 'add', { a: 1, b: 2 });
  await finished(url, data.job_id);
  for (const [name, args] of [
    ['add', { a: 1, b: 2 }],
    ['add', {}],
    ['prepared', { what: 'fine' }],
    ['get_job_status', { job_id: data.job_id }],
    ['get_job_status', {}],
    ['list_jobs', {}],
    ['list_jobs', { limit: 0 }],
  ] as const) {
    const tool = body.result.tools.find((one: { name: string }) => one.name === name);
    const answer = await call(url, name, args);
    assert.ok(ajv.validate(tool.outputSchema, answer), `${name}: ${ajv.errorsText()}`);
    assert.ok(!ajv.validate(tool.outputSchema, {}), `${name} advertises a schema that fits all`);
  }
});

test('every description says whether a job_id comes back, and annotations are true', async (t) => {
  const { url } = await aServer(t);
  const { body } = await rpc(url, 'tools/list', {}, { token: ANNA });
  for (const { name, description, annotations } of body.result.tools) {
    const isLook = ['get_job_status', 'list_jobs'].includes(name);
    const isControl = ['cancel_job', 'answer_job'].includes(name);
    assert.match(
      description,
      isLook || isControl ? /returns no new job_id/ : /returns its job_id at once/,
    );
    assert.equal(annotations.readOnlyHint, isLook, name);
    assert.equal(annotations.destructiveHint ?? false, name === 'cancel_job', name);
  }
});
