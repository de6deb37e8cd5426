/**
 * Two PostgreSQL servers, of which one takes writes and waits for the other to have them too. The
 * address leads through a cable to whichever takes writes now.
 */
import { spawnSync } from 'node:child_process';
import { chownSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Client } from 'pg';
import { startPostgres, type PostgresServer } from '../../scripts/postgres/server.ts';
import type { Ending } from '../support/temp.ts';
import { until } from '../support/until.ts';
import { Cable } from './cable.ts';
import { queryDatabase } from './place.ts';
import type { Seeded } from './random.ts';

const SETTINGS = { max_connections: '100', wal_keep_size: '512MB', hot_standby: 'on' };
/** Made anew by every server, or not to be shared. */
const OWN = ['postmaster.pid', 'postmaster.opts', 'pg_wal', 'pg_replslot', 'pg_stat_tmp'];
export const DATABASE = 'jobs';

export class Cluster {
  readonly cable: Cable;
  readonly #t: Ending;
  #primary: PostgresServer;
  #standby: PostgresServer;
  /** The primary that was, while it lives on where nobody reaches it, and what stood there. */
  #old: { readonly server: PostgresServer; readonly seen: string | null } | null = null;

  private constructor(t: Ending, cable: Cable, servers: readonly [PostgresServer, PostgresServer]) {
    this.#t = t;
    this.cable = cable;
    [this.#primary, this.#standby] = servers;
  }

  static async start(t: Ending, random: Seeded): Promise<Cluster> {
    const primary = await startPostgres({ settings: SETTINGS });
    t.after(() => primary.stop());
    await queryDatabase(primary.url('postgres'), `CREATE DATABASE ${DATABASE}`);
    const standby = await standbyOf(t, primary);
    const cable = await Cable.to(t, primary.port, random);
    const cluster = new Cluster(t, cable, [primary, standby]);
    await cluster.#synchronise();
    return cluster;
  }

  get url(): string {
    return this.cable.through(this.#primary.url(DATABASE));
  }

  /**
   * The standby takes over.
   *
   * @param isKilled whether the old primary dies first; else it lives on, and nobody reaches it
   * @param early how long the address leads to the standby before it takes writes, in milliseconds
   * @returns what was found wrong
   */
  async failover(isKilled: boolean, early: number): Promise<string[]> {
    const [old, next] = [this.#primary, this.#standby];
    if (isKilled) await old.kill();
    this.cable.set('broken');
    if (early > 0) {
      this.cable.lead(next.port);
      this.cable.set('fair');
      await pause(early);
      this.cable.set('broken');
    }
    const wrong: string[] = [];
    const asked = await queryDatabase(
      next.url(DATABASE),
      `SELECT coalesce(sum(seq_scan + coalesce(idx_scan, 0)), 0)::int AS scans
        FROM pg_stat_user_tables WHERE relname = 'jobs'`,
    );
    if (asked[0]?.['scans'] !== 0)
      wrong.push(`a standby was asked about jobs: ${String(asked[0]?.['scans'])} times`);
    // It waits for no standby of its own until it has one.
    await queryDatabase(next.url('postgres'), `ALTER SYSTEM SET synchronous_standby_names TO ''`);
    await queryDatabase(next.url('postgres'), 'SELECT pg_reload_conf()');
    await queryDatabase(next.url('postgres'), 'SELECT pg_promote(true, 20)');
    this.#primary = next;
    this.#old = { server: old, seen: isKilled ? null : await written(old) };
    this.cable.lead(next.port);
    this.cable.set('fair');
    return wrong;
  }

  /**
   * The old primary is thrown away, and there is a standby again.
   *
   * @returns what was found wrong
   */
  async repair(): Promise<string[]> {
    const standby = await standbyOf(this.#t, this.#primary);
    this.#standby = standby;
    await this.#synchronise();
    const { server, seen } = this.#old ?? { server: null, seen: null };
    this.#old = null;
    const isSame = seen === null || server === null || (await written(server)) === seen;
    await server?.stop();
    return isSame ? [] : ['the old primary was written after the failover'];
  }

  /** From now on a commit is answered when the standby has it on its disk, with all before it. */
  async #synchronise(): Promise<void> {
    const url = this.#primary.url('postgres');
    await queryDatabase(url, `ALTER SYSTEM SET synchronous_standby_names TO '*'`);
    await queryDatabase(url, 'SELECT pg_reload_conf()');
    await until(
      'the standby is synchronous',
      async () => {
        const [row] = await queryDatabase(
          url,
          `SELECT sync_state = 'sync' AND flush_lsn >= pg_current_wal_flush_lsn() AS ready
          FROM pg_stat_replication`,
        );
        return row?.['ready'] === true;
      },
      { ms: 30_000, everyMs: 20 },
    );
  }
}

/** What can be seen on a server of everything that was ever written. */
async function written(server: PostgresServer): Promise<string> {
  const [row] = await queryDatabase(
    server.url(DATABASE),
    `SELECT count(*) || ' ' || coalesce(max(updated_at), 0) || ' ' || coalesce(sum(runs), 0) AS seen
      FROM jobs`,
  );
  return String(row?.['seen']);
}

/** A copy of a running server that follows it. */
export async function standbyOf(t: Ending, primary: PostgresServer): Promise<PostgresServer> {
  const standby = await startPostgres({
    settings: SETTINGS,
    async fill(data) {
      const client = new Client({ connectionString: primary.url('postgres') });
      await client.connect();
      try {
        await client.query(`SELECT pg_backup_start('standby', true)`);
        copy(primary.data, data);
        const { rows } = await client.query<{ labelfile: string }>(
          'SELECT labelfile FROM pg_backup_stop(false)',
        );
        writeAs(data, 'backup_label', rows[0]?.labelfile ?? '');
        writeAs(data, 'standby.signal', '');
        writeAs(
          data,
          'postgresql.auto.conf',
          `primary_conninfo = 'host=127.0.0.1 port=${primary.port} user=postgres application_name=standby'\n`,
        );
      } finally {
        await client.end();
      }
    },
  });
  t.after(() => standby.stop());
  return standby;
}

/** Files may change and vanish meanwhile; the log says what became of them. */
function copy(from: string, to: string): void {
  const entries = readdirSync(from).filter((name) => !OWN.includes(name));
  mkdirSync(to, { mode: 0o700 });
  const { status, stderr } = spawnSync(
    'cp',
    ['-a', ...entries.map((name) => join(from, name)), to],
    {
      encoding: 'utf8',
    },
  );
  const isBad = stderr.split('\n').some((line) => line !== '' && !/No such file/.test(line));
  if (status !== 0 && isBad) throw new Error(`the data could not be copied: ${stderr}`);
  const { uid, gid } = statSync(from);
  for (const name of ['', 'pg_wal', 'pg_wal/archive_status', 'pg_wal/summaries', 'pg_replslot']) {
    const folder = join(to, name);
    if (name !== '') mkdirSync(folder, { mode: 0o700 });
    chownSync(folder, uid, gid);
  }
}

function writeAs(folder: string, name: string, text: string): void {
  const { uid, gid } = statSync(folder);
  writeFileSync(join(folder, name), text, { mode: 0o600 });
  chownSync(join(folder, name), uid, gid);
}
