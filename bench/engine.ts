/** Where the stores of a bench are: files of a folder, or databases of a server of its own. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { startPostgres } from '../scripts/postgres/server.ts';
import { openStore as openPostgres } from '../src/postgres.ts';
import { openStore as openSqlite } from '../src/sqlite.ts';
import type { Store } from '../src/store/store.ts';
import { withFolder } from './folder.ts';

export type EngineName = 'sqlite' | 'postgres';

export interface Place {
  /** The address of a new and empty database of this name. */
  address(name: string): Promise<string>;
  /** Processor time of this process and of the database server until now, in milliseconds. */
  processorMs(): number;
}

export async function withPlace<T>(engine: EngineName, work: (place: Place) => Promise<T>) {
  if (engine === 'postgres') return withPostgres(work);
  return withFolder(async (folder) =>
    work({ address: async (name) => join(folder, `${name}.db`), processorMs: ownMs }),
  );
}

async function withPostgres<T>(work: (place: Place) => Promise<T>): Promise<T> {
  const server = await startPostgres({ settings: { max_connections: '300' } });
  try {
    const url = server.url('postgres');
    const [row] = await sql<{ folder: string }>(
      url,
      `SELECT current_setting('data_directory') AS folder`,
    );
    const postmaster = Number.parseInt(
      readFileSync(join(row?.folder ?? '', 'postmaster.pid'), 'utf8'),
      10,
    );
    return await work({
      address: async (name) => {
        await sql(url, `CREATE DATABASE ${name}`);
        return server.url(name);
      },
      processorMs: () => ownMs() + familyMs(postmaster),
    });
  } finally {
    await server.stop();
  }
}

/** Run a statement past the store. */
export async function sql<R extends object>(url: string, text: string): Promise<R[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<R>(text)).rows;
  } finally {
    await client.end();
  }
}

/** @param isGuest beside another process that owns the file; PostgreSQL knows no owner */
export async function openAt(address: string, isGuest = false): Promise<Store> {
  return address.startsWith('postgres:') ? openPostgres(address) : openSqlite(address, { isGuest });
}

function ownMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/** Of a process and its children, those that have ended included; 0 where there is no /proc. */
function familyMs(parent: number): number {
  if (process.platform !== 'linux') return 0;
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const own = processTimes(parent);
  return pids
    .map((pid) => processTimes(Number(pid)))
    .filter((one) => one.parent === parent)
    .reduce((sum, { ms }) => sum + ms, own.ms + own.endedMs);
}

/** Linux counts in hundredths of a second. */
const TICK_MS = 10;

function processTimes(pid: number): { parent: number; ms: number; endedMs: number } {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [user = 0, system = 0, endedUser = 0, endedSystem = 0] = fields.slice(11, 15).map(Number);
    return {
      parent: Number(fields[1]),
      ms: (user + system) * TICK_MS,
      endedMs: (endedUser + endedSystem) * TICK_MS,
    };
  } catch {
    return { parent: 0, ms: 0, endedMs: 0 };
  }
}
