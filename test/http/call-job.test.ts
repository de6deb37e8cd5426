/** `callJob` on our own server, by every surface that it has. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { callJob, resumeJob, type JobState } from '../../src/client.ts';
import { local, serve, type Serving } from '../../src/http.ts';
import { bakeCake } from '../../examples/question/jobs.ts';
import { echo } from '../cli/jobs.fixture.ts';
import { tempFolder } from '../support/temp.ts';
import { until } from '../support/until.ts';

async function serving(t: TestContext, jobs = '../cli/jobs.fixture.ts'): Promise<Serving> {
  const server = await serve({
    jobs: new URL(jobs, import.meta.url),
    db: join(tempFolder(t), 'jobs.db'),
    identify: local(),
    port: 0,
    inProcess: true,
  });
  t.after(() => server.close({ graceMs: 0 }));
  return server;
}

interface Kind {
  readonly mode?: 'auto' | 'legacy';
  readonly declaresTasks?: boolean;
}

async function connected(t: TestContext, url: string, kind: Kind = {}): Promise<Client> {
  const extensions = kind.declaresTasks === true ? { 'io.modelcontextprotocol/tasks': {} } : {};
  const client = new Client(
    { name: 'test', version: '1.0.0' },
    { versionNegotiation: { mode: kind.mode ?? 'auto' }, capabilities: { extensions } },
  );
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  t.after(() => client.close());
  return client;
}

const KINDS: Readonly<Record<string, Kind>> = {
  'a client of 2026-07-28': {},
  'a client of 2026-07-28 that declares tasks': { declaresTasks: true },
  'a client of 2025': { mode: 'legacy' },
};

for (const [name, kind] of Object.entries(KINDS)) {
  test(`${name} gets its result, the failure of a job, and resumes`, async (t) => {
    const { url } = await serving(t);
    const client = await connected(t, url, kind);
    let id = '';
    const onSubmit = (jobId: string) => void (id = jobId);
    const { said } = await callJob(client, echo, { text: 'a', times: 2 }, { onSubmit });
    assert.equal(said, 'a a');
    assert.deepEqual(await resumeJob(await connected(t, url, kind), id), { said: 'a a' });
    await assert.rejects(callJob(client, 'refuse'), {
      code: 'OUT_OF_PAPER',
      message: 'There is no paper left.',
    });
    await assert.rejects(resumeJob(client, 'mjb_nothing'), { code: 'RESOURCE_NOT_FOUND' });
  });

  test(`${name} gets the result again when a finished call is repeated under its key`, async (t) => {
    const client = await connected(t, (await serving(t)).url, kind);
    for (let i = 0; i < 2; i += 1) {
      const again = callJob(client, echo, { text: 'a', times: 1 }, { idempotencyKey: 'bread' });
      assert.deepEqual(await again, { said: 'a' });
    }
  });

  test(`${name} cancels on abort when it is asked to, and only then`, async (t) => {
    const { url, store } = await serving(t);
    const client = await connected(t, url, kind);
    const who = { team: 'local', owner: 'local', abilities: [] };
    for (const cancelOnAbort of [true, false]) {
      const controller = new AbortController();
      let id = '';
      const calling = callJob(
        client,
        'linger',
        {},
        {
          signal: controller.signal,
          cancelOnAbort,
          onSubmit: (jobId) => {
            id = jobId;
            setTimeout(() => controller.abort(new Error('enough')), 100);
          },
        },
      );
      await assert.rejects(calling, /enough/);
      const status = (await store.get(id, who))?.status;
      assert.equal(status === 'cancelled', cancelOnAbort, status);
    }
  });
}

test('a result that is too long for an answer is read whole, as a resource and by its address', async (t) => {
  const { url } = await serving(t);
  const client = await connected(t, url);
  const args = { text: 'x'.repeat(1_000), times: 100 };
  const whole = await callJob(client, echo, args);
  assert.equal(whole.said.length, 100_099);
  const asked: string[] = [];
  const byAddress: typeof fetch = async (...request) => {
    const [address] = request;
    asked.push(address instanceof Request ? address.url : address.toString());
    return fetch(...request);
  };
  assert.deepEqual(await callJob(client, echo, args, { fetch: byAddress }), whole);
  assert.match(asked[0] ?? '', /\/jobs\/mjb_\w+\/result$/);
});

test('the same key is the same job, also for the one who comes after', async (t) => {
  const { url } = await serving(t);
  const ids = new Set<string>();
  const options = { idempotencyKey: 'order-1', onSubmit: (id: string) => void ids.add(id) };
  for (let i = 0; i < 3; i += 1) {
    await callJob(await connected(t, url), echo, { text: 'a' }, options);
  }
  assert.equal(ids.size, 1);
  const client = await connected(t, url);
  await callJob(client, echo, { text: 'a' }, { onSubmit: options.onSubmit });
  assert.equal(ids.size, 2);
  const keyed = callJob(client, 'list_jobs', {}, { idempotencyKey: 'k' });
  await assert.rejects(keyed, { code: 'PROTOCOL_ERROR' });
});

test('a job that asks is answered while its caller waits', async (t) => {
  const { url } = await serving(t, '../../examples/question/jobs.ts');
  const client = await connected(t, url);
  let asking: JobState | null = null;
  const onStatus = (state: JobState): void => {
    if (state.input_requests !== undefined) asking = state;
  };
  const baking = callJob(client, bakeCake, { cakes: 1 }, { onStatus });
  const { job_id } = await until('it asks', () => asking);
  const answers = { oven: { action: 'accept', content: { turns: 1 } } };
  await client.callTool({ name: 'answer_job', arguments: { job_id, answers } });
  assert.deepEqual(await baking, { cakes: 1, turns: 1 });
});
