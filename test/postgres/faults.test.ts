/** What is left when the database, or the way to it, goes away. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { test } from 'node:test';
import { startPostgres } from '../../scripts/postgres/server.ts';
import { JobError } from '../../src/job/errors.ts';
import { complete } from '../../src/job/transitions.ts';
import { openStore } from '../../src/postgres.ts';
import type { Store } from '../../src/store/store.ts';
import { aJob, claim, who } from '../support/a-job.ts';
import { emptyDatabase, psql, thePostgres } from '../support/postgres.ts';
import type { Ending } from '../support/temp.ts';
import { until } from '../support/until.ts';

const RETRYABLE = ['STORE_BUSY', 'STORE_UNKNOWN'];

/** A server of the test's own, to be killed. */
async function aServer(t: Ending) {
  const server = await startPostgres();
  t.after(() => server.stop());
  return server;
}

async function aStore(t: Ending, url: string): Promise<Store> {
  const store = await openStore(url);
  t.after(() => store.close());
  return store;
}

test('a killed database loses nothing that was acknowledged and doubles nothing', async (t) => {
  const server = await aServer(t);
  const [submitter, worker] = [
    await aStore(t, server.url('postgres')),
    await aStore(t, server.url('postgres')),
  ];
  const acknowledged: string[] = [];
  const errors: unknown[] = [];
  let settled = 0;
  const over = new AbortController();
  const submitting = Array.from({ length: 8 }, async () => {
    while (!over.signal.aborted) {
      try {
        acknowledged.push((await submitter.insert(aJob(), 0)).id);
      } catch (error) {
        errors.push(error);
      }
    }
  });
  const working = Array.from({ length: 3 }, async (_, i) => {
    while (!over.signal.aborted) {
      try {
        const { jobs } = await claim(worker, { worker: `wrk_${i}`, limit: 20, leaseMs: 2_000 });
        for (const job of jobs) {
          const { outcome } = await worker.apply(job.id, complete(job, '{}', []));
          if (outcome === 'applied') settled += 1;
        }
        if (jobs.length === 0) await pause(5);
      } catch (error) {
        errors.push(error);
      }
    }
  });
  const back: number[] = [];
  for (let i = 0; i < 3; i += 1) {
    await pause(700);
    await server.kill();
    await server.start();
    const before = acknowledged.length + settled;
    const at = performance.now();
    await until('work goes on', () => acknowledged.length + settled > before + 1);
    back.push(performance.now() - at);
  }
  await pause(300);
  over.abort();
  await Promise.all([...submitting, ...working]);
  const ids = new Set(
    (await psql<{ id: string }>(server.url('postgres'), 'SELECT id FROM jobs')).map(({ id }) => id),
  );
  assert.ok(acknowledged.length > 100, String(acknowledged.length));
  assert.deepEqual(
    acknowledged.filter((id) => !ids.has(id)),
    [],
  );
  assert.equal(new Set(acknowledged).size, acknowledged.length);
  for (const error of errors) {
    assert.ok(error instanceof JobError && RETRYABLE.includes(error.code), String(error));
    assert.equal(error.context['retryable'], true);
  }
  assert.ok(
    back.every((ms) => ms < 5_000),
    back.join(' '),
  );
});

test('while the database is away every call ends in a typed error, within fifteen seconds', async (t) => {
  const server = await aServer(t);
  const store = await aStore(t, server.url('postgres'));
  await store.insert(aJob(), 0);
  await server.kill();
  const at = performance.now();
  const answers = await Promise.allSettled([
    store.insert(aJob(), 0),
    store.get('mjb_1', who()),
    claim(store),
    store.write([]),
    store.renew([{ id: 'mjb_1', lease: 'x' }], 1_000),
    store.sweep({ retentionMs: 1, toolMissingMs: 1 }),
  ]);
  for (const answer of answers) {
    assert.equal(answer.status, 'rejected');
    assert.equal(answer.reason.code, 'STORE_BUSY');
  }
  assert.ok(performance.now() - at < 15_000);
  assert.deepEqual(await store.health(), { writable: false, workers: 0 });
  await server.start();
  await store.insert(aJob(), 0);
});

interface Cable {
  readonly url: string;
  /** From now on nothing passes, and nobody is told. */
  cut(): void;
  mend(): void;
}

/** A connection that can be interrupted so that neither side notices. */
async function aCable(t: Ending, port: number, database: string): Promise<Cable> {
  const sockets = new Set<Socket>();
  let isCut = false;
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => sockets.delete(socket));
    }
    near.on('data', (chunk) => void (isCut || far.write(chunk)));
    far.on('data', (chunk) => void (isCut || near.write(chunk)));
    near.on('close', () => void (isCut || far.destroy()));
    far.on('close', () => void (isCut || near.destroy()));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port: own } = server.address() as AddressInfo;
  return {
    url: `postgres://postgres@127.0.0.1:${own}/${database}`,
    cut() {
      isCut = true;
    },
    mend() {
      for (const socket of sockets) socket.destroy();
      isCut = false;
    },
  };
}

test(
  'half-open connections are found, and work goes on over new ones',
  { timeout: 60_000 },
  async (t) => {
    const { port } = await thePostgres();
    const url = await emptyDatabase();
    const cable = await aCable(t, port, new URL(url).pathname.slice(1));
    const store = await aStore(t, cable.url);
    await store.insert(aJob(), 0);
    cable.cut();
    const at = performance.now();
    const waiting = store.insert(aJob(), 0).then(
      () => 'kept',
      (error: JobError) => error.code,
    );
    const found = await waiting;
    assert.ok(performance.now() - at < 15_000, String(performance.now() - at));
    assert.equal(found, 'STORE_BUSY');
    cable.mend();
    await store.insert(aJob(), 0);
    // Whatever the cut transaction held was let go by the server itself.
    await until(
      'no transaction of the cut connection is left',
      async () => {
        const [row] = await psql<{ open: string }>(
          url,
          `SELECT count(*) AS open FROM pg_stat_activity
          WHERE datname = current_database() AND state LIKE 'idle in transaction%'`,
        );
        return row?.open === '0';
      },
      { ms: 15_000 },
    );
  },
);

test('a server that would lose data in a power cut is refused', async (t) => {
  for (const setting of ['fsync', 'full_page_writes']) {
    const server = await startPostgres({ settings: { [setting]: 'off' } });
    t.after(() => server.stop());
    await assert.rejects(openStore(server.url('postgres')), (error: JobError) => {
      assert.match(error.message, new RegExp(`${setting} is off`));
      return true;
    });
  }
});

test('what is acknowledged is on the disk, whatever the server does by default', async (t) => {
  const url = await emptyDatabase();
  await psql(url, `ALTER DATABASE ${new URL(url).pathname.slice(1)} SET synchronous_commit TO off`);
  const warnings: string[] = [];
  const log = { debug() {}, info() {}, error() {}, warn: (_: object, m = '') => warnings.push(m) };
  const store = await openStore(url, { log });
  t.after(() => store.close());
  assert.match(warnings.join(), /synchronous_commit is off/);
  await psql(
    url,
    `CREATE TABLE seen (value text);
     CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$;
     CREATE TRIGGER see AFTER INSERT OR UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION see()`,
  );
  await store.insert(aJob(), 0);
  const [job] = (await claim(store)).jobs;
  assert.ok(job);
  await store.apply(job.id, complete(job, '{}', []));
  assert.deepEqual(
    (await psql(url, 'SELECT value FROM seen')).map(({ value }) => value),
    ['on', 'on', 'on'],
  );
});

test('an address that cannot be used is refused without being repeated', async () => {
  for (const url of ['mysql://u:secret@h/d', 'postgres://u:secret@[/d', 'secret']) {
    await assert.rejects(openStore(url), (error: JobError) => {
      assert.doesNotMatch(`${error.message} ${error.remediation} ${String(error.cause)}`, /secret/);
      return true;
    });
  }
});
