/** The hot statements stay on their indexes, however many rows there are. */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { Client } from 'pg';
import { openStore } from '../../src/postgres.ts';
import * as limits from '../../src/store/postgres/limit-statements.ts';
import { bind, compile, type Given } from '../../src/store/postgres/parameters.ts';
import * as sql from '../../src/store/postgres/statements.ts';
import { aJob, claim, who } from '../support/a-job.ts';
import { emptyDatabase, psql } from '../support/postgres.ts';
import { until } from '../support/until.ts';

interface Plan {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly Plans?: readonly Plan[];
}

const READER = { team: 'tem_1', owner: 'usr_1', scopes: null, any: 0 };
const PAGE = { ...READER, shown: 'queued', before: '~', tool: null, limit: 20 };
const change = {
  id: 'mjb_5',
  to: 'cancelled',
  from: 'queued',
  lease: null,
  fault: 0,
  alone: null,
  delayMs: 0,
  waitMs: 0,
  result: null,
  resultBytes: null,
  error: '{}',
  questions: null,
  answers: null,
  final: 1,
  team: 'tem_1',
  owner: 'usr_1',
  scopes: null,
};

const statements = { ...sql, ...limits };
const HELD = ['jobs_held', 'jobs_pkey'];

/** Statement, parameters, and the indexes that it may use. */
const HOT: readonly (readonly [keyof typeof statements, Given, readonly string[]])[] = [
  ['GET', { ...READER, id: 'mjb_5' }, ['jobs_pkey']],
  ['DUE', { tools: ['t1', 't2'], limit: 50 }, ['jobs_due', 'jobs_resting']],
  [
    'CLAIM',
    {
      rows: JSON.stringify([
        {
          id: 'mjb_5',
          run: 0,
          lease: 'x',
        },
      ]),
      runsMax: 50,
      leaseMs: 1e3,
      worker: 'wrk_1',
      idle: 1,
      limited: 0,
    },
    ['jobs_pkey'],
  ],
  ['APPLY', { rows: JSON.stringify([change]) }, ['jobs_pkey', 'jobs_due']],
  [
    'RENEW',
    { rows: JSON.stringify([{ id: 'mjb_5', lease: 'x' }]), leaseMs: 1_000 },
    ['jobs_pkey', 'jobs_running'],
  ],
  [
    'NEXT_TURN',
    {
      // The second has nothing queued while others have, and many runs of other tools.
      rows: JSON.stringify([
        { team: 'tem_1', tool: 't1' },
        { team: 'tem_done', tool: 't2' },
      ]),
    },
    ['jobs_open', 'jobs_due', 'jobs_team'],
  ],
  ['COUNT_OPEN', { rows: JSON.stringify([{ team: 'tem_1', max: 100 }]) }, ['jobs_open']],
  ['LIST_OWNER', PAGE, ['jobs_owner']],
  ['LIST_TEAM', { ...PAGE, any: 1 }, ['jobs_team']],
  ['POSITION', { id: 'mjb_5' }, ['jobs_pkey', 'jobs_due']],
  ['QUEUED_TOOLS', {}, ['jobs_due']],
  ['NEXT_DUE', { tools: ['t1'] }, ['jobs_resting']],
  ['EXPIRED', { dead: [], all: 0 }, ['jobs_running']],
  ['OVERDUE', { overdueMs: 60_000, since: -1, after: '', limit: 1_000 }, ['jobs_overdue']],
  ['OVERDUE_WAITING', {}, ['jobs_waiting']],
  ['RUNNING_OF_TOOLS', { tools: ['t1', 't2'] }, ['jobs_running']],
  ['CANDIDATES', { ids: ['mjb_5', 'mjb_8'] }, ['jobs_pkey']],
  [
    'RUNNING_OF_TEAMS',
    { teams: ['tem_1', 'tem_2'], tool: 't2', teamMax: 5, laneMax: 5 },
    ['jobs_open', 'jobs_running'],
  ],
  ['HOLD', { ids: ['mjb_5'] }, ['jobs_pkey']],
  ['RELEASE', { rows: JSON.stringify([{ team: 'tem_full', ended: 2 }]) }, HELD],
  [
    'RELEASE_LANES',
    {
      tool: 't2',
      rows: JSON.stringify([
        { team: 'tem_full', most: 2 },
        { team: 'tem_1', most: 9 },
      ]),
    },
    HELD,
  ],
  ['FIRST_DUE', { tools: ['t1', 't2'] }, ['jobs_due']],
  ['HELD_LANES', {}, ['jobs_held', 'jobs_open', 'jobs_running']],
  ['PURGE', { retentionMs: 1e12 }, ['jobs_final', 'jobs_pkey']],
];

/** 30,000 queued and 60,000 finished jobs of 50 teams and 3 tools. */
const FILL = `INSERT INTO jobs (id, tool, team_id, owner_id, status, input, request_id, result,
    result_bytes, attempts_max, timeout_ms, turn, due_since, created_at, updated_at, started_at, completed_at)
  SELECT 'mjb_' || i, 't' || i % 3, 'tem_' || i % 50, 'usr_' || i % 2,
    CASE WHEN i % 3 = 2 THEN 'queued' ELSE 'completed' END, '{}', 'r',
    CASE WHEN i % 3 = 2 THEN NULL ELSE '{}' END, CASE WHEN i % 3 = 2 THEN NULL ELSE 2 END,
    3, 1000, i, 9000000000000, i, i, CASE WHEN i % 3 = 2 THEN NULL ELSE i END,
    CASE WHEN i % 3 = 2 THEN NULL ELSE i END
  FROM generate_series(1, 90000) AS i`;

/** 10,000 jobs of a team that may run no more, one of which runs. */
const FILL_HELD = `INSERT INTO jobs (id, tool, team_id, owner_id, status, input, request_id,
    attempts_max, timeout_ms, turn, due_at, due_since, created_at, updated_at, lease, limited)
  SELECT 'mjh_' || i, 't2', 'tem_full', 'usr_1', CASE i WHEN 1 THEN 'running' ELSE 'queued' END,
    '{}', 'r', 3, 1000, i, CASE WHEN i > 1 THEN 9007199254740991 END, 9007199254740991, i, i,
    CASE i WHEN 1 THEN 'l' END, 1
  FROM generate_series(1, 10000) AS i`;

/** 10,000 finished jobs of another tool, of a team that has nothing queued. */
const FILL_DONE = `INSERT INTO jobs (id, tool, team_id, owner_id, status, input, request_id, result,
    result_bytes, attempts_max, timeout_ms, turn, due_since, created_at, updated_at, started_at, completed_at)
  SELECT 'mjd_' || i, 't1', 'tem_done', 'usr_1', 'completed', '{}', 'r', '{}', 2, 3, 1000, i, i, i, i, i, i
  FROM generate_series(1, 10000) AS i`;

describe('with many rows', () => {
  let url = '';

  before(async () => {
    url = await emptyDatabase();
    await (await openStore(url)).close();
    await run(async (client) => {
      await client.query(FILL);
      await client.query(FILL_HELD);
      await client.query(FILL_DONE);
      await client.query('VACUUM ANALYZE jobs');
    });
  });

  async function run<T>(work: (client: Client) => Promise<T>): Promise<T> {
    const client = new Client({ connectionString: url });
    await client.connect();
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  }

  for (const [name, given, indexes] of HOT) {
    test(`${name} reads what it needs, by ${indexes.join(' and ')}`, async () => {
      const compiled = compile(statements[name]);
      const plan = await run(async (client) => {
        await client.query('BEGIN');
        const { rows } = await client.query<{ 'QUERY PLAN': { Plan: Plan }[] }>(
          `EXPLAIN (ANALYZE, FORMAT JSON) ${compiled.text}`,
          [...bind(compiled, given)],
        );
        await client.query('ROLLBACK');
        return rows[0]?.['QUERY PLAN'][0]?.Plan;
      });
      assert.ok(plan);
      const nodes = flat(plan);
      const scans = nodes.filter(
        (node) => node['Relation Name'] === 'jobs' && node['Node Type'] === 'Seq Scan',
      );
      assert.deepEqual(scans, [], 'the table is read from one end to the other');
      const used = nodes.flatMap((node) => node['Index Name'] ?? []);
      assert.deepEqual(
        used.filter((index) => !indexes.includes(index)),
        [],
      );
      for (const node of nodes) {
        const read =
          (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops'];
        assert.ok(read <= 2_000, `${node['Node Type']} reads ${read} rows`);
      }
    });
  }
});

test('a claim reads what it takes, also of a queue that the planner has not heard of', async () => {
  const url = await emptyDatabase();
  const store = await openStore(url);
  for (const table of ['jobs', 'mcp_async_jobs_delivery.job_common']) {
    await psql(url, `ALTER TABLE ${table} SET (autovacuum_enabled = off)`);
  }
  await Promise.all(Array.from({ length: 20_000 }, () => store.insert(aJob(), 0)));
  await store.close();
  const earlier = await rowsRead(url);
  const other = await openStore(url);
  assert.equal((await claim(other, { limit: 10 })).jobs.length, 10);
  await other.close();
  const read = (await rowsRead(url)) - earlier;
  assert.ok(read < 1_000, `${read} rows were read`);
});

test('a sweep reads a few rows of each team with held jobs, also when the planner has not heard of them', async () => {
  const url = await emptyDatabase();
  await (await openStore(url)).close();
  await psql(url, 'ALTER TABLE jobs SET (autovacuum_enabled = off)');
  // A team without limits has 30,000 due jobs; of 300 teams with 100 jobs each one runs.
  await psql(
    url,
    `INSERT INTO jobs (id, tool, team_id, owner_id, status, input, request_id, attempts_max,
        timeout_ms, turn, due_at, due_since, created_at, updated_at, lease, lease_until, limited)
      SELECT 'mjb_' || i, 'print', CASE WHEN i > 30000 THEN 'tem_free' ELSE 'tem_' || i % 300 END,
        'usr_1', CASE WHEN i <= 300 THEN 'running' ELSE 'queued' END, '{}', 'r', 3,
        1000, i % 30000, CASE WHEN i BETWEEN 301 AND 30000 THEN 9007199254740991 END,
        9007199254740991, i, i, CASE WHEN i <= 300 THEN 'l' END,
        CASE WHEN i <= 300 THEN 9007199254740991 END, CASE WHEN i <= 300 THEN 1 ELSE 0 END
      FROM generate_series(1, 60000) AS i`,
  );
  const earlier = await rowsRead(url);
  const store = await openStore(url);
  await store.sweep({ retentionMs: 1e12, toolMissingMs: 1e12 });
  await store.close();
  const read = (await rowsRead(url)) - earlier;
  assert.ok(read < 10_000, `${read} rows were read`);
});

test('a list of finished jobs does not read the newer ones that are queued', async () => {
  const url = await emptyDatabase();
  await (await openStore(url)).close();
  // One team and owner, its oldest 27,000 jobs finished.
  await psql(
    url,
    FILL.replaceAll('i % 50', '1')
      .replaceAll('i % 2,', '1,')
      .replaceAll('i % 3 = 2', 'i % 100000 > 27000')
      .replaceAll('90000', '30000')
      .replace("'mjb_' || i", "'mjb_' || lpad(i::text, 5, '0')"),
  );
  await psql(url, 'VACUUM ANALYZE jobs');
  const earlier = await rowsRead(url);
  const store = await openStore(url);
  const query = {
    who: who({ team: 'tem_1', owner: 'usr_1' }),
    tool: null,
    before: null,
    limit: 20,
  };
  assert.equal((await store.list({ ...query, status: 'completed' })).length, 20);
  await store.close();
  const read = (await rowsRead(url)) - earlier;
  assert.ok(read < 1_000, `${read} rows were read`);
});

/** By all who have ended; a connection tells when it ends. */
async function rowsRead(url: string): Promise<number> {
  await until('nobody else is connected', async () => {
    const [row] = await psql<{ others: number }>(
      url,
      `SELECT count(*)::int AS others FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()`,
    );
    return row?.others === 0;
  });
  const [row] = await psql<{ read: number }>(
    url,
    `SELECT ((SELECT sum(seq_tup_read) FROM pg_stat_user_tables)
      + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes))::int AS read`,
  );
  return row?.read ?? 0;
}

function flat(plan: Plan): Plan[] {
  return [plan, ...(plan.Plans ?? []).flatMap(flat)];
}
