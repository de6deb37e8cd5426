/** One key, one job: the idempotency key of asynchronous tools, as clients meet it over HTTP. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { until } from '../support/until.ts';
import { ANNA, aServer, call, finished, rpc, rpc2026 } from '../http/fixture.ts';

const jobs = new URL('./few-calls.jobs.ts', import.meta.url);
const META = 'mcp-async-jobs/idempotency-key';
const count = async (url: string, token = ANNA) =>
  (await call(url, 'list_jobs', { limit: 100 }, { token })).data.length;

interface Places {
  readonly argument?: unknown;
  readonly header?: string;
  readonly meta?: unknown;
}

/** Call `once` with a key in any of the three places. */
async function once(url: string, thing: string, { argument, header, meta }: Places) {
  const { body } = await rpc(
    url,
    'tools/call',
    {
      name: 'once',
      arguments: { thing, ...(argument !== undefined && { idempotency_key: argument }) },
      ...(meta !== undefined && { _meta: { [META]: meta } }),
    },
    header === undefined ? {} : { headers: { 'idempotency-key': header } },
  );
  return body.result.structuredContent;
}

test('the same key gives the first answer again, marked as replayed, and makes no second job', async (t) => {
  const { url } = await aServer(t, { jobs });
  const first = await once(url, 'replay', { argument: 'k1' });
  assert.equal(first.data.replayed, undefined);
  await finished(url, first.data.job_id);
  const again = await once(url, 'replay', { argument: 'k1' });
  assert.deepEqual(again, { data: { ...first.data, replayed: true } });
  assert.equal(again.data.status, 'queued');
  assert.equal(await count(url), 1);
});

test('the key may stand in the arguments, in a header or in _meta, and means the same', async (t) => {
  const { url } = await aServer(t, { jobs });
  const places: Places[] = [{ argument: 'k2' }, { header: 'k2' }, { meta: 'k2' }];
  const ids = [];
  for (const place of places) ids.push((await once(url, 'places', place)).data.job_id);
  ids.push((await once(url, 'places', { argument: 'k2', header: 'k2', meta: 'k2' })).data.job_id);
  const { body } = await rpc2026(
    url,
    'tools/call',
    { name: 'once', arguments: { thing: 'places' } },
    { headers: { 'idempotency-key': 'k2' } },
  );
  ids.push(body.result.structuredContent.data.job_id);
  assert.equal(new Set(ids).size, 1);
});

test('keys that disagree are refused, and nothing is submitted', async (t) => {
  const { url } = await aServer(t, { jobs });
  for (const [places, fields] of [
    [{ argument: 'a', header: 'b' }, ['idempotency_key', 'header Idempotency-Key']],
    [{ header: 'a', meta: 'b' }, ['header Idempotency-Key', `_meta.${META}`]],
    [{ argument: 'a', meta: 'b' }, ['idempotency_key', `_meta.${META}`]],
  ] as const) {
    const { error } = await once(url, 'disagree', places);
    assert.equal(error.code, 'VALIDATION_FAILED');
    assert.deepEqual(Object.keys(error.fields), fields);
  }
  assert.equal(await count(url), 0);
});

test('a key is 1..255 visible ASCII characters', async (t) => {
  const { url } = await aServer(t, { jobs });
  for (const wrong of ['', ' ', 'a b', 'é', 'a\n', 'x'.repeat(256), 5, null, {}, ['a']]) {
    const { error } = await once(url, 'form', { argument: wrong });
    assert.equal(error?.code, 'VALIDATION_FAILED', JSON.stringify(wrong));
    assert.deepEqual(Object.keys(error.fields), ['idempotency_key']);
  }
  assert.equal(
    (await once(url, 'form', { header: 'x'.repeat(256) })).error.code,
    'VALIDATION_FAILED',
  );
  assert.equal((await once(url, 'form', { meta: 7 })).error.code, 'VALIDATION_FAILED');
  assert.ok((await once(url, 'form', { argument: '~!'.repeat(127) })).data.job_id);
  assert.equal(await count(url), 1);
});

test('the same key with other arguments is a clear conflict', async (t) => {
  const { url } = await aServer(t, { jobs });
  await once(url, 'conflict-a', { argument: 'k3' });
  const { error } = await once(url, 'conflict-b', { argument: 'k3' });
  assert.equal(error.code, 'IDEMPOTENCY_CONFLICT');
  assert.equal(error.context.retryable, false);
  assert.match(error.remediation, /another key/);
  // Wrong ones too: what the key stands for is known before anything is parsed.
  const wrong = await call(url, 'once', { thing: 5, idempotency_key: 'k3' });
  assert.equal(wrong.error.code, 'IDEMPOTENCY_CONFLICT');
  assert.equal(await count(url), 1);
});

test('arguments are the same whatever the order of their members; defaults are not filled in', async (t) => {
  const { url } = await aServer(t, { jobs });
  const key = { idempotency_key: 'k4' };
  const first = await call(url, 'once', { thing: 'order', of: { a: [1, 2], b: null }, ...key });
  const again = await call(url, 'once', { ...key, of: { b: null, a: [1, 2] }, thing: 'order' });
  assert.equal(again.data.job_id, first.data.job_id);
  const spelled = { thing: 'order', of: { a: [1, 2], b: null }, size: 1, ...key };
  assert.equal((await call(url, 'once', spelled)).error.code, 'IDEMPOTENCY_CONFLICT');
});

test('without a key two equal calls are two jobs', async (t) => {
  const { url } = await aServer(t, { jobs });
  const ids = [];
  for (let i = 0; i < 2; i += 1) ids.push((await call(url, 'big', { bytes: 1 })).data.job_id);
  assert.notEqual(ids[0], ids[1]);
});

test('a key belongs to a team, an owner and a tool', async (t) => {
  const { url } = await aServer(t, { jobs });
  const ids = [];
  for (const token of ['anna/anna/*', 'anna/bert/*', 'other/anna/*']) {
    const args = { bytes: 1, idempotency_key: 'shared' };
    ids.push((await call(url, 'big', args, { token })).data.job_id);
  }
  const args = { steps: 1, ms: 1, idempotency_key: 'shared' };
  ids.push((await call(url, 'steps', args)).data.job_id);
  assert.equal(new Set(ids).size, 4);
});

test('a replay is answered before the cap of open jobs could refuse it', async (t) => {
  const { url } = await aServer(t, { jobs, inProcess: false, workers: 0, maxOutstanding: 1 });
  const args = { bytes: 1, idempotency_key: 'k5' };
  const first = await call(url, 'big', args);
  assert.equal((await call(url, 'big', { bytes: 1 })).error.code, 'RATE_LIMITED');
  const again = await call(url, 'big', args);
  assert.deepEqual(again.data, { ...first.data, replayed: true });
});

test('a refused submission leaves its key free', async (t) => {
  const { url } = await aServer(t, { jobs });
  assert.equal(
    (await call(url, 'big', { bytes: -1, idempotency_key: 'k6' })).error.code,
    'VALIDATION_FAILED',
  );
  assert.ok((await call(url, 'big', { bytes: 1, idempotency_key: 'k6' })).data.job_id);
});

test('an expired key is free again', async (t) => {
  const { url } = await aServer(t, { jobs, idempotencyTtlMs: 1_000 });
  const args = { bytes: 1, idempotency_key: 'k7' };
  const first = await call(url, 'big', args);
  assert.equal((await call(url, 'big', args)).data.job_id, first.data.job_id);
  await new Promise((resolve) => {
    setTimeout(resolve, 1_100);
  });
  const later = await call(url, 'big', { ...args, bytes: 2 });
  assert.notEqual(later.data.job_id, first.data.job_id);
  assert.equal(later.data.replayed, undefined);
});

test('a key that outlives its job is a clear conflict', async (t) => {
  const { url, store } = await aServer(t, { jobs });
  const args = { bytes: 1, idempotency_key: 'k9' };
  await finished(url, (await call(url, 'big', args)).data.job_id);
  await until('the job is purged', async () => {
    const { purged } = await store.sweep({ retentionMs: 1, toolMissingMs: 1e9 });
    return purged === 1;
  });
  const { error } = await call(url, 'big', args);
  assert.equal(error.code, 'IDEMPOTENCY_CONFLICT');
  assert.match(error.message, /cannot see any more/);
  assert.match(error.remediation, /another key/);
  assert.equal(await count(url), 0);
});

test('50 parallel identical calls with one key are one job, and 49 replays of it', async (t) => {
  const { url } = await aServer(t, { jobs });
  for (let round = 0; round < 5; round += 1) {
    const args = { bytes: round, idempotency_key: `k8-${round}` };
    const answers = await Promise.all(Array.from({ length: 50 }, () => call(url, 'big', args)));
    assert.equal(new Set(answers.map(({ data }) => data.job_id)).size, 1);
    assert.equal(answers.filter(({ data }) => data.replayed === true).length, 49);
  }
  assert.equal(await count(url), 5);
});

test('every asynchronous tool advertises the key, and its calls fit what it advertises', async (t) => {
  const { url } = await aServer(t, { jobs });
  const { body } = await rpc(url, 'tools/list', {});
  const ajv = new Ajv2020({ strict: false });
  for (const { name, description, inputSchema } of body.result.tools) {
    const isSubmission = description.includes('Queues a job');
    assert.equal(Object.hasOwn(inputSchema.properties, 'idempotency_key'), isSubmission, name);
  }
  const tool = (wanted: string) =>
    body.result.tools.find(({ name }: { name: string }) => name === wanted).inputSchema;
  for (const [name, args] of [
    ['big', { bytes: 1 }],
    ['either', { kind: 'a', a: 'x' }],
  ] as const) {
    const keyed = { ...args, idempotency_key: `fits-${name}` };
    assert.ok(ajv.validate(tool(name), keyed), `${name}: ${ajv.errorsText()}`);
    assert.ok(ajv.validate(tool(name), args));
    assert.ok((await call(url, name, keyed)).data.job_id);
  }
});
