/** `get_job_status` with `wait_seconds`, as clients meet it over HTTP. */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { test } from 'node:test';
import { setTimeout as rest } from 'node:timers/promises';
import { Client, StreamableHTTPClientTransport, type Progress } from '@modelcontextprotocol/client';
import { monotonic } from '../../src/job/clock.ts';
import { complete } from '../../src/job/transitions.ts';
import { local } from '../../src/http.ts';
import { aServer, byName, call, rpc, rpc2026 } from '../http/fixture.ts';
import { aJob } from '../support/a-job.ts';
import { until } from '../support/until.ts';

const jobs = new URL('./few-calls.jobs.ts', import.meta.url);
const idle = { jobs, inProcess: false, workers: 0 } as const;

async function timed<T>(work: Promise<T>): Promise<{ value: T; ms: number }> {
  const startedAt = monotonic();
  return { value: await work, ms: monotonic() - startedAt };
}

test('a wait is answered as soon as the job is final', async (t) => {
  const { url } = await aServer(t, { jobs });
  const { data: submitted } = await call(url, 'steps', { steps: 2, ms: 300 });
  const args = { job_id: submitted.job_id, wait_seconds: 25 };
  const { value, ms } = await timed(call(url, 'get_job_status', args));
  assert.equal(value.data.status, 'completed');
  assert.ok(ms >= 400 && ms < 5_000, `${ms} ms`);
});

test('a wait is answered as soon as the job asks for input', async (t) => {
  const { url } = await aServer(t, { jobs });
  const { data: submitted } = await call(url, 'asks', {});
  const args = { job_id: submitted.job_id, wait_seconds: 25 };
  const { value, ms } = await timed(call(url, 'get_job_status', args));
  assert.equal(value.data.status, 'running');
  assert.equal(value.data.input_requests.sure.message, 'Sure?');
  assert.ok(ms < 5_000, `${ms} ms`);
});

test('a wait that nothing ends is answered with the present state, and never as an error', async (t) => {
  const { url } = await aServer(t, idle);
  const { data: submitted } = await call(url, 'asks', {});
  const args = { job_id: submitted.job_id, wait_seconds: 1.5 };
  const { value, ms } = await timed(call(url, 'get_job_status', args));
  assert.equal(value.data.status, 'queued');
  assert.match(value.data.next_step, /get_job_status with this job_id and wait_seconds: 25/);
  assert.ok(ms >= 1_500 && ms < 4_000, `${ms} ms`);
});

test(
  'the longest wait is answered within the 30 s of a request',
  { timeout: 40_000 },
  async (t) => {
    const { url } = await aServer(t, idle);
    const { data: submitted } = await call(url, 'asks', {});
    const args = { job_id: submitted.job_id, wait_seconds: 25 };
    const { value, ms } = await timed(call(url, 'get_job_status', args));
    assert.equal(value.data.status, 'queued');
    assert.ok(ms >= 25_000 && ms < 27_500, `${ms} ms`);
  },
);

test('wait_seconds is 0..25, and says so otherwise', async (t) => {
  const { url } = await aServer(t, idle);
  const { data: submitted } = await call(url, 'asks', {});
  for (const wrong of [-1, 26, 1e9, '25', null, true]) {
    const args = { job_id: submitted.job_id, wait_seconds: wrong };
    const { error } = await call(url, 'get_job_status', args);
    assert.equal(error.code, 'VALIDATION_FAILED', String(wrong));
    assert.deepEqual(Object.keys(error.fields), ['wait_seconds']);
  }
});

test("a wait for somebody else's job is answered at once, like one for an unknown id", async (t) => {
  const { url } = await aServer(t, idle);
  const { data } = await call(url, 'asks', {});
  const bytes = [];
  for (const id of [data.job_id, 'mjb_01HX0000000000000000000000']) {
    const args = { job_id: id, wait_seconds: 25 };
    const token = 'anna/bert/*';
    const { value, ms } = await timed(call(url, 'get_job_status', args, { token }));
    assert.ok(ms < 3_000, `${ms} ms`);
    bytes.push(JSON.stringify(value).replace(/req_\w+/, ''));
  }
  assert.equal(bytes[0], bytes[1]);
});

test('who may no longer see the jobs of his team is told nothing at the end of his wait', async (t) => {
  let isRevoked = false;
  const { url } = await aServer(t, {
    ...idle,
    identify: async (asked) => {
      const who = await byName(asked);
      return who && isRevoked ? { ...who, abilities: ['*'] } : who;
    },
  });
  const { data: submitted } = await call(url, 'asks', {});
  const args = { job_id: submitted.job_id, wait_seconds: 2 };
  const waiting = [{ token: 'anna/bert/job:view-any' }, {}].map(async (options) =>
    call(url, 'get_job_status', args, options),
  );
  await rest(500);
  isRevoked = true;
  const [bert, anna] = await Promise.all(waiting);
  assert.equal(bert.error?.code, 'RESOURCE_NOT_FOUND');
  assert.equal(anna.data.status, 'queued');
});

test('who may no longer see the jobs of his team waits no longer', async (t) => {
  let isRevoked = false;
  const { url } = await aServer(t, {
    ...idle,
    identify: async (asked) => {
      const who = await byName(asked);
      return who && isRevoked ? { ...who, abilities: ['*'] } : who;
    },
  });
  const { data: submitted } = await call(url, 'asks', {});
  const args = { job_id: submitted.job_id, wait_seconds: 25 };
  const waiting = timed(call(url, 'get_job_status', args, { token: 'anna/bert/job:view-any' }));
  await rest(300);
  isRevoked = true;
  const { value, ms } = await waiting;
  assert.equal(value.error.code, 'RESOURCE_NOT_FOUND');
  assert.ok(ms < 5_000, `${ms} ms`);
});

test('who is refused while he waits is not waited for any longer', async (t) => {
  let isRevoked = false;
  const { url, store } = await aServer(t, {
    ...idle,
    identify: (asked) => (isRevoked ? null : byName(asked)),
  });
  const { data: submitted } = await call(url, 'asks', {});
  let watching = 0;
  const onChange = store.onChange.bind(store);
  store.onChange = (listener) => {
    watching += 1;
    const stop = onChange(listener);
    return () => {
      watching -= 1;
      stop();
    };
  };
  const waiting = call(url, 'get_job_status', { job_id: submitted.job_id, wait_seconds: 25 });
  await until('it waits', () => watching === 1);
  isRevoked = true;
  assert.equal((await waiting).error.code, 'AUTHENTICATION_REQUIRED');
  await until('it does not wait any more', () => watching === 0, { ms: 5_000 });
});

test('a queued job has its place in the queue, exact to 100 and absent beyond', async (t) => {
  const { url } = await aServer(t, idle);
  const ids: string[] = [];
  for (let i = 0; i < 102; i += 1) ids.push((await call(url, 'asks', {})).data.job_id);
  const position = async (i: number) =>
    (await call(url, 'get_job_status', { job_id: ids[i] })).data.queue_position;
  assert.deepEqual([await position(0), await position(1), await position(99)], [1, 2, 100]);
  assert.equal(await position(100), undefined);
  assert.equal(await position(101), undefined);
});

test('progress is shown with its percentage and an estimate, and stays when the job is final', async (t) => {
  const { url } = await aServer(t, { jobs });
  const { data: submitted } = await call(url, 'steps', { steps: 4, ms: 900 });
  const status = async (wait_seconds: number) =>
    (await call(url, 'get_job_status', { job_id: submitted.job_id, wait_seconds })).data;
  const seen = await until('an estimate is given', async () => {
    const data = await status(0);
    assert.notEqual(data.status, 'completed', 'no estimate was ever given');
    return data.eta_seconds !== undefined && data;
  });
  const { done, total, message, percent } = seen.progress;
  assert.deepEqual([total, message, percent], [4, `step ${done}`, done * 25]);
  assert.ok(seen.eta_seconds >= 1 && seen.eta_seconds <= 4, `${seen.eta_seconds} s`);
  assert.equal(seen.queue_position, undefined);
  const end = await status(25);
  assert.equal(end.status, 'completed');
  assert.deepEqual(end.progress, { done: 4, total: 4, message: 'step 4', percent: 100 });
  assert.equal(end.eta_seconds, undefined);
});

for (const mode of ['legacy', { pin: '2026-07-28' }] as const) {
  const era = mode === 'legacy' ? '2025' : '2026';
  test(`progress goes out while a client waits that asked for it (${era})`, async (t) => {
    const { url } = await aServer(t, { jobs, identify: local() });
    const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode } });
    await client.connect(new StreamableHTTPClientTransport(new URL(url)));
    t.after(() => client.close());
    const args = { steps: 3, ms: 1_200 };
    const submitted = await client.callTool({ name: 'steps', arguments: args });
    const { data } = submitted.structuredContent as { data: { job_id: string } };
    const told: Progress[] = [];
    const { structuredContent } = await client.callTool(
      { name: 'get_job_status', arguments: { job_id: data.job_id, wait_seconds: 25 } },
      { onprogress: (progress) => void told.push(progress) },
    );
    assert.equal((structuredContent as { data: { status: string } }).data.status, 'completed');
    assert.deepEqual(
      told.map(({ progress, total, message }) => [progress, total, message]),
      [1, 2, 3].map((done) => [done, 3, `step ${done}`]),
    );
  });
}

for (const [era, send] of [
  ['2025', rpc],
  ['2026', rpc2026],
] as const) {
  test(`who hangs up frees his place (${era})`, async (t) => {
    const { url, store } = await aServer(t, idle);
    const { data: submitted } = await call(url, 'asks', {});
    let watching = 0;
    const onChange = store.onChange.bind(store);
    store.onChange = (listener) => {
      watching += 1;
      const stop = onChange(listener);
      return () => {
        watching -= 1;
        stop();
      };
    };
    const params = {
      name: 'get_job_status',
      arguments: { job_id: submitted.job_id, wait_seconds: 25 },
    };
    // Learn what is sent, then send it over a connection that can be cut.
    const sent = await captured((fetching) => send(fetching, 'tools/call', params), url);
    const asked = request(url, { method: 'POST', headers: sent.headers });
    asked.on('error', () => {});
    asked.end(sent.body);
    await until('it waits', () => watching === 1);
    asked.destroy();
    await until('it does not wait any more', () => watching === 0);
  });
}

/** What a request of the fixture looks like, without sending it. */
async function captured(
  send: (url: string) => Promise<unknown>,
  url: string,
): Promise<{ headers: Record<string, string>; body: string }> {
  const { fetch } = globalThis;
  let found: { headers: Record<string, string>; body: string } | null = null;
  globalThis.fetch = async (_, init) => {
    found = { headers: init?.headers as Record<string, string>, body: init?.body as string };
    throw new Error('captured');
  };
  try {
    await send(url).catch(() => {});
  } finally {
    globalThis.fetch = fetch;
  }
  assert.ok(found);
  return found;
}

test('when the server closes, whoever waits is answered with the present state at once', async (t) => {
  const serving = await aServer(t, idle);
  const { data: submitted } = await call(serving.url, 'asks', {});
  const args = { job_id: submitted.job_id, wait_seconds: 25 };
  const waiting = Array.from({ length: 20 }, () =>
    timed(call(serving.url, 'get_job_status', args)),
  );
  await until('the server is asked', async () => {
    const { data } = await call(serving.url, 'get_job_status', { job_id: submitted.job_id });
    return data.status === 'queued';
  });
  // A request that comes while it closes may find the door shut; nobody is left without an answer.
  await new Promise((resolve) => {
    setTimeout(resolve, 300);
  });
  const { ms } = await timed(serving.close({ graceMs: 5_000 }));
  assert.ok(ms < 4_000, `closing took ${ms} ms`);
  for (const { value } of await Promise.all(waiting)) assert.equal(value.data.status, 'queued');
});

const CROWD = 2_000;

test(
  '2,000 wait at once on one server, and others are answered meanwhile',
  { timeout: 60_000 },
  async (t) => {
    const serving = await aServer(t, { ...idle, maxOutstanding: 0 });
    const { url, store } = serving;
    const mine = { team: 'anna', owner: 'anna', tool: 'asks' };
    const jobsOfAll = Array.from({ length: CROWD }, () => store.insert(aJob(mine), 0));
    const ids = (await Promise.all(jobsOfAll)).map(({ id }) => id);
    let reads = 0;
    const get = store.get.bind(store);
    store.get = (id, who) => {
      reads += 1;
      return get(id, who);
    };
    const rssBefore = process.memoryUsage().rss;
    let answered = 0;
    const waiting = ids.map(async (job_id) => {
      const answer = await call(url, 'get_job_status', { job_id, wait_seconds: 25 });
      answered += 1;
      return answer.data.status;
    });
    // Each looks once before it waits and once when it does.
    await until('all of them wait', () => reads === 2 * CROWD, { ms: 25_000 });
    const perWaiter = (process.memoryUsage().rss - rssBefore) / CROWD / 1_024;
    const { ms: another } = await timed(call(url, 'list_jobs', { limit: 1 }));
    assert.equal(answered, 0);
    assert.ok(another < 1_000, `another call took ${another} ms`);
    assert.equal(reads, 2 * CROWD, 'nobody is read again while nothing changes');
    t.diagnostic(
      `${perWaiter.toFixed(1)} KiB a waiter, client included; another call ${another} ms`,
    );

    const wanted = { worker: 'wrk_1', tools: ['asks'], limit: 1, leaseMs: 20_000, idle: true };
    const [job] = (await store.claim(wanted)).jobs;
    assert.ok(job);
    await store.apply(job.id, complete(job, '{}', []));
    await until('the one whose job has ended is answered', () => answered === 1);
    await serving.close({ graceMs: 20_000 });
    const statuses = await Promise.all(waiting);
    assert.equal(statuses.filter((status) => status === 'completed').length, 1);
    assert.equal(statuses.filter((status) => status === 'queued').length, CROWD - 1);
  },
);
