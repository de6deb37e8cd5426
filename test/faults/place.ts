/**
 * Where a run keeps its jobs: a file on the real disk, or a database of a PostgreSQL of its own. What
 * stands there is read past the product, so that the product cannot hide anything.
 */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Client, types as builtin } from 'pg';
import { startPostgres, type PostgresServer } from '../../scripts/postgres/server.ts';
import { createToken } from '../../src/team/mint.ts';
import { tempFolder, type Ending } from '../support/temp.ts';
import { openAt, type Address } from './address.ts';
import type { Remains } from './checker.ts';

export const ENGINES = ['sqlite', 'postgres'] as const;
export type Engine = (typeof ENGINES)[number];

export interface Caller {
  readonly team: string;
  readonly owner: string;
  readonly token: string;
}

export interface Place extends Address {
  readonly folder: string;
  /** The database server, where there is one. */
  readonly server: PostgresServer | null;
  /** Tokens with every ability, one for each team. */
  callers(teams: number): Promise<Caller[]>;
  remains(texts?: Readonly<Record<string, string>>): Promise<Remains>;
  /** Everything that is stored, as text, where it is not too much to be looked through. */
  texts(): Promise<Readonly<Record<string, string>>>;
  /** How many jobs are not final. */
  open(): Promise<number>;
  /** Whether a process keeps all others from writing to the file; never so on PostgreSQL. */
  isLocked(): boolean;
  /** What of a code the database would take a second time; nothing is kept of the attempt. */
  acceptsTwice(): Promise<string[]>;
}

export async function place(t: Ending, engine: Engine, base?: string): Promise<Place> {
  return placeOn(t, engine === 'postgres' ? await theServer() : null, base);
}

/** The same, on a server that was started for it; without one, in a file. */
export async function placeOn(
  t: Ending,
  server: PostgresServer | null,
  base?: string,
): Promise<Place> {
  if (server) return { ...placeAt(t, await newDatabase(server)), server };
  const folder = tempFolder(t, base);
  return placeOf({ engine: 'sqlite', at: join(folder, 'jobs.db') }, folder);
}

/** A PostgreSQL database that is there already. */
export function placeAt(t: Ending, url: string): Place {
  return placeOf({ engine: 'postgres', at: url }, tempFolder(t, tmpdir()));
}

function placeOf(address: Address, folder: string): Place {
  const { engine, at } = address;
  return {
    ...address,
    folder,
    server: null,
    async callers(teams) {
      const store = await openAt(address, true);
      try {
        const made: Caller[] = [];
        for (let i = 0; i < teams; i += 1) {
          const wanted = { team: `team ${i}`, owner: 'ann', abilities: ['*'] };
          const { token, team_id: team, owner_id: owner } = await createToken(store, wanted);
          made.push({ token, team, owner });
        }
        return made;
      } finally {
        await store.close();
      }
    },
    remains: (texts = {}) => (engine === 'sqlite' ? inFile(at, texts) : inDatabase(at, texts)),
    texts: () => (engine === 'sqlite' ? Promise.resolve(fileTexts(at)) : databaseTexts(at)),
    async open() {
      const [row] = await (engine === 'sqlite' ? queryFile : queryDatabase)(at, OPEN);
      return (row as { open: number } | undefined)?.open ?? 0;
    },
    // Only waiting, not being late, tells a lock from the commit of a moment.
    isLocked: () => engine === 'sqlite' && !tryFile(at, 'BEGIN IMMEDIATE; ROLLBACK'),
    async acceptsTwice() {
      const taken: string[] = [];
      for (const [what, text] of Object.entries(TWICE)) {
        const attempt = `BEGIN; ${text}; ROLLBACK`;
        const isTaken = await (engine === 'sqlite' ? tryFile : tryDatabase)(at, attempt);
        if (isTaken) taken.push(what);
      }
      return taken;
    },
  };
}

const COPY = `team_id, project_id, plan_id, batch_id`;
const REST = `first4, last4, created_at`;
/** Each differs from a code that is there in all but one thing. */
const TWICE = {
  'the same code twice': `INSERT INTO codes (id, ${COPY}, ordinal, code_mac, ${REST})
    SELECT 'sub_twice', ${COPY}, 1000000, code_mac, ${REST} FROM codes LIMIT 1`,
  'the same place of a batch twice': `INSERT INTO codes (id, ${COPY}, ordinal, code_mac, ${REST})
    SELECT 'sub_twice', ${COPY}, ordinal, MAC, ${REST} FROM codes LIMIT 1`,
};

function tryFile(path: string, text: string): boolean {
  const db = new DatabaseSync(path, { timeout: 5_000 });
  try {
    db.exec(text.replace('MAC', 'randomblob(32)'));
    return true;
  } catch {
    return false;
  } finally {
    db.close();
  }
}

async function tryDatabase(url: string, text: string): Promise<boolean> {
  const mac = "sha256('twice'::bytea)";
  return queryDatabase(url, text.replace('MAC', mac)).then(
    () => true,
    () => false,
  );
}

const OPEN = 'SELECT CAST(count(*) AS INTEGER) AS open FROM jobs WHERE completed_at IS NULL';

/** Read a file as a stranger does. */
export function queryFile(path: string, text: string): Record<string, unknown>[] {
  const db = new DatabaseSync(path, { timeout: 5_000 });
  try {
    return db.prepare(text).all();
  } finally {
    db.close();
  }
}

export async function queryDatabase(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text)).rows as Record<string, unknown>[];
  } finally {
    await client.end();
  }
}

let server: Promise<PostgresServer> | undefined;
let databases = 0;

/** One server for all places of this process, started by the first that needs it. */
function theServer(): Promise<PostgresServer> {
  server ??= startPostgres({ settings: { max_connections: '200' } });
  return server;
}

/** To be called when no place is needed any more. */
export async function stopServer(): Promise<void> {
  await (await server)?.stop();
  server = undefined;
}

async function newDatabase(at: PostgresServer): Promise<string> {
  const name = `faults_${(databases += 1)}`;
  const client = new Client({ connectionString: at.url('postgres') });
  await client.connect();
  await client.query(`CREATE DATABASE ${name}`);
  await client.end();
  return at.url(name);
}

type Query = <R>(text: string) => Promise<R[]> | R[];

const JOBS = `SELECT id, tool, team_id, owner_id, status, input, carry, result, error, runs, attempts,
  attempts_max, created_at, started_at, updated_at, completed_at FROM jobs`;
const CODES = `SELECT id, batch_id, ordinal, code_mac, redeemed_by FROM codes`;

async function read(query: Query, soundness: string, texts: Remains['texts']): Promise<Remains> {
  const codes = await query<{ code_mac: Uint8Array } & Remains['codes'][number]>(CODES);
  const jobs = await query<Remains['jobs'][number]>(JOBS);
  return {
    jobs,
    codes: codes.map(({ code_mac: mac, id, batch_id, ordinal, redeemed_by }) => {
      return { id, batch_id, ordinal, redeemed_by, mac: Buffer.from(mac).toString('hex') };
    }),
    batches: await query('SELECT id, quantity FROM batches'),
    subscriptions: await query('SELECT id, subscriber_id FROM subscriptions'),
    keys: await query('SELECT team_id, owner_id, tool, key, job_id FROM idempotency_keys'),
    effects: await query('SELECT job, run FROM done'),
    texts: { ...texts, jobs: JSON.stringify(jobs) },
    soundness,
  };
}

export async function inFile(path: string, texts: Remains['texts'] = {}): Promise<Remains> {
  if (!existsSync(path)) return { ...EMPTY, soundness: 'the file is missing' };
  const db = new DatabaseSync(path, { timeout: 5_000 });
  try {
    const rows = db.prepare('PRAGMA integrity_check').all() as { integrity_check: string }[];
    const soundness = rows.map((row) => row.integrity_check).join('; ');
    return await read(<R>(text: string) => db.prepare(text).all() as R[], soundness, texts);
  } finally {
    db.close();
  }
}

const TEXT_BYTES_MAX = 32 * 1_048_576;
const TEXT_ROWS_MAX = 2_000;

function fileTexts(path: string): Record<string, string> {
  const files = [path, `${path}-wal`].filter(
    (name) => existsSync(name) && statSync(name).size <= TEXT_BYTES_MAX,
  );
  return Object.fromEntries(
    files.map((name) => [basename(name), readFileSync(name, 'latin1')] as const),
  );
}

async function databaseTexts(url: string): Promise<Record<string, string>> {
  const tables = await queryDatabase(
    url,
    `SELECT quote_ident(schemaname) || '.' || quote_ident(relname) AS name FROM pg_stat_user_tables`,
  );
  const texts: Record<string, string> = {};
  for (const name of tables.map((row) => String(row['name']))) {
    const rows = await queryDatabase(url, `SELECT t::text FROM ${name} t LIMIT ${TEXT_ROWS_MAX}`);
    texts[name] = rows.map((row) => String(row['t'])).join('\n');
  }
  return texts;
}

async function inDatabase(url: string, texts: Remains['texts']): Promise<Remains> {
  const types = { getTypeParser: parserOf };
  const client = new Client({ connectionString: url, types });
  await client.connect();
  try {
    // One moment for all that is read, as a dump would see it.
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const query = async <R>(text: string) => (await client.query(text)).rows as R[];
    return await read(query, 'ok', texts);
  } finally {
    await client.end();
  }
}

const BIGINT = 20;

/** Instants are bigints there, and stay below 2^53. */
function parserOf(oid: number, format?: 'text' | 'binary'): unknown {
  // oxlint-disable-next-line typescript/no-unsafe-enum-assignment
  return oid === BIGINT ? Number : builtin.getTypeParser(oid, format);
}

export const EMPTY: Remains = {
  jobs: [],
  codes: [],
  batches: [],
  subscriptions: [],
  keys: [],
  effects: [],
  texts: {},
  soundness: 'ok',
};
