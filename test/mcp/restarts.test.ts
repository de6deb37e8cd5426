/** Keys and waits through a `kill -9` of the server: one job whatever happens, and nobody is stuck. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test, type TestContext } from 'node:test';
import { setTimeout as rest } from 'node:timers/promises';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { callJob } from '../../src/client.ts';
import { monotonic } from '../../src/job/clock.ts';
import { randomBelow } from '../../src/job/ids.ts';
import { call } from '../http/fixture.ts';
import { tempFolder } from '../support/temp.ts';

const ROUNDS = 20;
const CALLS = 50;
const SCRIPT = new URL('../http/server-process.ts', import.meta.url).pathname;

class Server {
  readonly #db: string;
  #child: ChildProcess | null = null;
  url = '';

  constructor(t: TestContext) {
    this.#db = join(tempFolder(t), 'jobs.db');
    t.after(() => this.kill());
  }

  /** On the same port again, once it had one. */
  async start(): Promise<void> {
    const port = this.url === '' ? '0' : new URL(this.url).port;
    const child = spawn(process.execPath, [SCRIPT, this.#db, port], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#child = child;
    const line = once(createInterface(child.stdout), 'line') as Promise<[string]>;
    const [said] = await Promise.race([line, once(child, 'exit')]);
    assert.ok(typeof said === 'string', `the server ended with ${said} before it listened`);
    this.url = said;
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }
}

interface Answer {
  readonly data: { readonly job_id: string; readonly status: string; readonly replayed?: true };
}

/** The answers that came; a call that was cut off has none. */
async function answersOf(calls: readonly Promise<Answer>[]): Promise<Answer[]> {
  const settled = await Promise.allSettled(calls);
  return settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
}

test(
  `${CALLS} equal calls with one key are one job, with the server killed in the middle, ${ROUNDS} times`,
  { timeout: 120_000 },
  async (t) => {
    const server = new Server(t);
    await server.start();
    let cutOff = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const args = { a: round, b: 1, idempotency_key: `round-${round}` };
      const submit = () =>
        Array.from({ length: CALLS }, () => call(server.url, 'add', args) as Promise<Answer>);
      const calls = answersOf(submit());
      await rest(randomBelow(40));
      await server.kill();
      const before = await calls;
      cutOff += CALLS - before.length;
      await server.start();
      const after = await Promise.all(submit());
      const ids = new Set([...before, ...after].map(({ data }) => data.job_id));
      assert.equal(ids.size, 1, `round ${round}: ${[...ids].join(', ')}`);
      assert.ok(after.filter(({ data }) => !data.replayed).length <= (before.length > 0 ? 0 : 1));
    }
    const { data: jobs } = await call(server.url, 'list_jobs', { limit: 100 });
    assert.equal(jobs.length, ROUNDS);
    assert.ok(cutOff > 0, 'no call was ever cut off: the server was killed too late');
    t.diagnostic(`${cutOff} of ${ROUNDS * CALLS} first calls were cut off`);
  },
);

test(
  'who waits while the server is killed asks again, and gets the end of his job',
  { timeout: 60_000 },
  async (t) => {
    const server = new Server(t);
    await server.start();
    const ids: string[] = [];
    for (let i = 0; i < 10; i += 1) {
      const { data } = (await call(server.url, 'sleep', { ms: 200 })) as Answer;
      ids.push(data.job_id);
    }
    let cutOff = 0;
    const waiting = ids.map(async (job_id) => {
      for (;;) {
        try {
          const args = { job_id, wait_seconds: 25 };
          const { data } = (await call(server.url, 'get_job_status', args)) as Answer;
          if (data.status === 'completed') return data;
          assert.match(data.status, /^(queued|running)$/);
        } catch (error) {
          // What is retried is a lost connection, never an answer.
          assert.ok(error instanceof TypeError, String(error));
          cutOff += 1;
          await rest(100);
        }
      }
    });
    await rest(300);
    await server.kill();
    await server.start();
    assert.equal((await Promise.all(waiting)).length, ids.length);
    assert.ok(cutOff > 0, 'nobody was waiting when the server was killed');
  },
);

test(
  'a program that follows the progress of its job asks again at once when the server was killed',
  { timeout: 60_000 },
  async (t) => {
    const server = new Server(t);
    await server.start();
    const client = new Client(
      { name: 'test', version: '1.0.0' },
      { versionNegotiation: { mode: 'auto' } },
    );
    await client.connect(new StreamableHTTPClientTransport(new URL(server.url)));
    t.after(() => client.close());
    const errors: Error[] = [];
    // oxlint-disable-next-line unicorn/prefer-add-event-listener -- a client has only this
    client.onerror = (error) => void errors.push(error);
    const { promise: running, resolve: run } = Promise.withResolvers<void>();
    const following = callJob<{ slept: number }>(
      client,
      'sleep',
      { ms: 3_000 },
      { onProgress: () => {}, onStatus: ({ status }) => status === 'running' && run() },
    );
    await running;
    await rest(1_500);
    await server.kill();
    const killedAt = monotonic();
    await server.start();
    await following;
    // The call itself has 35 seconds, and nothing would end it before.
    assert.ok(monotonic() - killedAt < 25_000, `${monotonic() - killedAt} ms`);
    assert.ok(errors.length > 0, 'the client told nobody');
  },
);
