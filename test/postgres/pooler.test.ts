/** A pooler that hands out connections per transaction refuses settings and passes no notices. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { defineStatement } from '../../src/index.ts';
import { complete } from '../../src/job/transitions.ts';
import { openStore } from '../../src/postgres.ts';
import { aJob, claim } from '../support/a-job.ts';
import { kill } from '../faults/fleet.ts';
import { placeAt, type Place } from '../faults/place.ts';
import { storm } from '../faults/storm.ts';
import { noPgbouncer, startPgbouncer } from '../support/pgbouncer.ts';
import { emptyDatabase, psql } from '../support/postgres.ts';
import type { Ending } from '../support/temp.ts';
import { until } from '../support/until.ts';

/** Which settings of a connection it refuses, and with what answer. */
interface Manner {
  readonly refuses: readonly string[];
  readonly state: string;
  readonly message: string;
}

const POOLERS: Readonly<Record<string, Manner>> = {
  'a pooler': {
    refuses: ['statement_timeout', 'lock_timeout', 'options'],
    state: '08P01',
    message: 'unsupported startup parameter: statement_timeout',
  },
  'a proxy that has not the feature': {
    refuses: ['options'],
    state: '0A000',
    message: 'command-line options are not supported',
  },
};

function refusal({ state, message }: Manner): Buffer {
  const body = Buffer.from(`SFATAL\0C${state}\0M${message}\0\0`);
  const head = Buffer.alloc(5);
  head.write('E');
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

/** Refuses settings at the start of a connection, and swallows notices. */
async function aPooler(t: Ending, url: string, manner: Manner): Promise<string> {
  const target = new URL(url);
  const serverPort = Number(target.port);
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    sockets.add(near);
    near.on('error', () => {});
    near.once('data', (start: Buffer) => {
      if (manner.refuses.some((name) => start.includes(`\0${name}\0`))) {
        near.end(refusal(manner));
        return;
      }
      const far = connect(serverPort, '127.0.0.1');
      sockets.add(far);
      far.on('error', () => {});
      far.write(start);
      near.on('data', (chunk: Buffer) =>
        far.write(chunk.includes('LISTEN') ? unheard(chunk) : chunk),
      );
      far.pipe(near);
      near.on('close', () => far.destroy());
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  target.port = String((server.address() as AddressInfo).port);
  return target.href;
}

/** The same statement about a channel that nobody uses. */
function unheard(chunk: Buffer): Buffer {
  return Buffer.from(
    chunk
      .toString('latin1')
      .replace(/LISTEN (\w+)/, (_, name: string) => `LISTEN ${'x'.repeat(name.length)}`),
    'latin1',
  );
}

for (const [name, manner] of Object.entries(POOLERS)) {
  test(`behind ${name} the store works, and says at the start what does not`, async (t) => {
    const url = await aPooler(t, await emptyDatabase(), manner);
    const warnings: string[] = [];
    const log = {
      debug() {},
      info() {},
      error() {},
      warn: (_: object, m = '') => warnings.push(m),
    };
    const [one, other] = [await openStore(url, { log }), await openStore(url)];
    t.after(() => one.close());
    t.after(() => other.close());
    assert.match(warnings.join('\n'), /Notices of PostgreSQL do not arrive/);
    let due = 0;
    other.onDue(() => {
      due += 1;
    });
    await one.insert(aJob(), 0);
    await until('the other looked by itself', () => due > 0, { ms: 3_000 });
    const [job] = (await claim(other)).jobs;
    assert.ok(job);
    assert.equal((await other.apply(job.id, complete(job, '{}', []))).outcome, 'applied');
  });
}

test('behind a real PgBouncer servers and workers lose nothing under kills', async (t) => {
  const missing = noPgbouncer();
  if (missing !== null) return t.skip(`NOT RUN: ${missing}`);
  const direct = await emptyDatabase();
  const at: Place = { ...placeAt(t, direct), at: await startPgbouncer(t, direct) };
  const { counted, violations } = await storm(
    { t, engine: 'postgres', seed: 1, count: 1 },
    {
      application: 'works',
      at,
      guests: 1,
      clients: 4,
      async disturb({ fleet }) {
        await pause(700);
        await kill(fleet.server);
        await fleet.start();
        await pause(700);
        return {};
      },
    },
  );
  t.diagnostic(JSON.stringify(counted));
  assert.deepEqual(violations, []);
  const left = await psql<{ held: string }>(
    direct,
    `SELECT count(*) AS held FROM pg_stat_activity
      WHERE datname = current_database() AND state LIKE 'idle in transaction%'`,
  );
  assert.equal(left[0]?.held, '0');
});

/** PgBouncer refuses settings that it does not know, or drops them in silence. */
const DROPS =
  'ignore_startup_parameters = extra_float_digits,options,statement_timeout,lock_timeout,idle_in_transaction_session_timeout';

test('behind a pooler that drops settings a statement has the timeouts of the server all the same', async (t) => {
  const missing = noPgbouncer();
  if (missing !== null) return t.skip(`NOT RUN: ${missing}`);
  const url = await emptyDatabase();
  const store = await openStore(await startPgbouncer(t, url, DROPS));
  t.after(() => store.close());
  const timeouts = defineStatement<Record<string, never>>({
    name: 'timeouts',
    sqlite: 'SELECT 1',
    postgres: `SELECT current_setting('statement_timeout') AS statement,
      current_setting('lock_timeout') AS lock,
      current_setting('idle_in_transaction_session_timeout') AS idle`,
  });
  assert.deepEqual(await store.read(timeouts, {}), [{ statement: '10s', lock: '5s', idle: '5s' }]);
  assert.deepEqual(await psql(url, `SELECT current_setting('statement_timeout') AS statement`), [
    { statement: '0' },
  ]);
});
