/** Backups as an operator takes them, and putting them back as docs/ says, by the programs themselves. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, rmSync } from 'node:fs';
import { backup, DatabaseSync } from 'node:sqlite';
import { cli } from '../../scripts/cli-process.ts';
import type { Address } from './address.ts';
import { queryDatabase } from './place.ts';
import { postgresPrograms } from './tools.ts';

export const NO_DUMP =
  'NOT RUN: pg_dump and pg_restore are missing; install them with their server (Debian: apt-get install postgresql)';

function dumpProgram(name: 'pg_dump' | 'pg_restore', args: readonly string[]): void {
  const { status, stderr } = spawnSync(`${postgresPrograms()}/bin/${name}`, args, {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${name} ended with ${status}: ${stderr.slice(0, 500)}`);
}

/** A copy of what stands there now, in the file `to`. */
export async function backUp({ engine, at }: Address, to: string, isVacuum = true): Promise<void> {
  if (engine === 'postgres') return dumpProgram('pg_dump', ['-Fc', '-Z0', '-d', at, '-f', to]);
  const db = new DatabaseSync(at, { timeout: 5_000 });
  try {
    if (isVacuum) db.prepare('VACUUM INTO ?').run(to);
    else await backup(db, to);
  } finally {
    db.close();
  }
}

/** The database of a name on the same server. */
export function neighbour(url: string, name: string): string {
  const other = new URL(url);
  other.pathname = `/${name}`;
  return other.href;
}

/** A new database on the same server with what the dump has. */
export async function undump(dump: string, into: string): Promise<void> {
  const name = new URL(into).pathname.slice(1);
  await queryDatabase(neighbour(into, 'postgres'), `CREATE DATABASE ${name}`);
  dumpProgram('pg_restore', ['--no-owner', '--exit-on-error', '-d', into, dump]);
}

/** The command that ends what a restored copy remembers as running. */
export async function fence(at: string): Promise<void> {
  const { code, stderr } = await cli(['fence', '--db', at, '--json']);
  if (code !== 0) throw new Error(`fence ended with ${code}: ${stderr}`);
}

/** Put a copy in the place of the database. On a file its server has been stopped. */
export async function putBack({ engine, at }: Address, from: string): Promise<void> {
  if (engine === 'sqlite') {
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${at}${suffix}`, { force: true });
    copyFileSync(from, at);
    return fence(at);
  }
  const name = new URL(at).pathname.slice(1);
  const restored = neighbour(at, `${name}_restored`);
  await undump(from, restored);
  await fence(restored);
  for (const text of [
    `ALTER DATABASE ${name} ALLOW_CONNECTIONS false`,
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`,
    `ALTER DATABASE ${name} RENAME TO ${name}_before`,
    `ALTER DATABASE ${name}_restored RENAME TO ${name}`,
  ])
    await queryDatabase(neighbour(at, 'postgres'), text);
}
