/**
 * The real server as a process of its own, started through the command line in a temporary folder,
 * with tokens for every combination of team and owner, and killed for real.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Control, OtherTokens } from './target.ts';

const COMMAND = [
  '--conditions=mcp-async-jobs-source',
  fileURLToPath(new URL('../../bin/mcp-async-jobs.js', import.meta.url)),
];

/** No limit on how much is asked, and few enough free codes that a preview has something to foretell. */
export const FLAGS: readonly string[] = ['--rate-limit', '0', '--allotment', '20'];

const LISTENS_WITHIN_MS = 45_000;
const STOPS_WITHIN_MS = 12_000;

/** What a token was made for. */
export interface Granted {
  readonly token: string;
  readonly team_id: string;
  readonly owner_id: string;
}

type Params = Readonly<Record<string, string | number>>;

/** Where the server keeps its data. */
export interface Database {
  /** As `--db` takes it. */
  readonly db: string;
  /** Options of `start` that this kind of database needs. */
  readonly flags: readonly string[];
  /** One statement past the server; returns how many rows it changed. */
  write(sql: string, params: Params): Promise<number>;
}

const sqliteIn = (folder: string): Database => {
  const db = join(folder, 'jobs.db');
  return {
    db,
    flags: [],
    async write(sql, params) {
      const database = new DatabaseSync(db, { timeout: 10_000 });
      try {
        return Number(database.prepare(sql).run(params).changes);
      } finally {
        database.close();
      }
    },
  };
};

let databaseIn: (folder: string) => Database = sqliteIn;

/** From now on servers of this process keep their data elsewhere than in SQLite. */
export function keepDataIn(place: (folder: string) => Database): void {
  databaseIn = place;
}

export class ControlledServer implements Control {
  readonly #folder = mkdtempSync(join(tmpdir(), 'contract-'));
  readonly #database = databaseIn(this.#folder);
  readonly #flags: readonly string[];
  #child: ChildProcess | null = null;
  #url = '';
  /** A restarted server listens where its clients know it. */
  #port = '0';
  #workers = 1;
  #log = '';

  /** @param flags further options of `start` */
  constructor(flags: readonly string[] = []) {
    this.#flags = flags;
    // A runner that gives up on this file must leave neither a server nor its files behind.
    process.once('exit', () => this.#vanish());
    for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => process.exit(1));
  }

  get url(): string {
    return this.#url;
  }

  /** Make a token with every ability. */
  grant(team: string, owner: string): Granted {
    const args = ['--db', this.#database.db, '--team', team, '--owner', owner, '--ability', '*'];
    const { stdout, stderr, status } = spawnSync(
      process.execPath,
      [...COMMAND, 'token', 'create', ...args, '--json'],
      { encoding: 'utf8', timeout: LISTENS_WITHIN_MS },
    );
    if (status !== 0) throw new Error(`token create ended with ${status}: ${stderr}`);
    return JSON.parse(stdout) as Granted;
  }

  /** A token, and the four others that stand around it. */
  grantAll(): { readonly token: string; readonly tokens: OtherTokens; readonly main: Granted } {
    const main = this.grant('Alpha', 'ann@example.com');
    return {
      main,
      token: main.token,
      tokens: {
        sameOwner: this.grant('Alpha', 'ann@example.com').token,
        otherOwner: this.grant('Alpha', 'bob@example.com').token,
        otherTeam: this.grant('Beta', 'ann@example.com').token,
        stranger: this.grant('Beta', 'bob@example.com').token,
      },
    };
  }

  get #isRunning(): boolean {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async serve(workers: number): Promise<void> {
    if (this.#isRunning && this.#workers === workers) return;
    await this.stop();
    this.#workers = workers;
    await this.start();
  }

  async start(): Promise<void> {
    const { db, flags } = this.#database;
    const options = ['--db', db, ...flags, '--port', this.#port];
    const workers = ['--workers', String(this.#workers)];
    const child = spawn(
      process.execPath,
      [...COMMAND, 'start', ...options, ...workers, ...this.#flags, '--json'],
      // A group of its own, so that one signal reaches the workers too.
      { detached: true, stdio: ['ignore', 'pipe', 'pipe'], cwd: this.#folder },
    );
    this.#child = child;
    this.#log = '';
    child.stderr.on('data', (chunk: Buffer) => {
      this.#log = `${this.#log}${chunk.toString()}`.slice(-20_000);
    });
    this.#url = await this.#listening(child);
    this.#port = new URL(this.#url).port;
  }

  async #listening(child: ChildProcess): Promise<string> {
    if (child.stdout === null) throw new Error('The server has no standard output.');
    const lines = createInterface({ input: child.stdout });
    const giveUp = AbortSignal.timeout(LISTENS_WITHIN_MS);
    const gone = once(child, 'exit', { signal: giveUp }).then(([code]: unknown[]) => {
      throw new Error(`The server ended with ${String(code)} before it listened: ${this.#log}`);
    });
    const [line] = (await Promise.race([once(lines, 'line', { signal: giveUp }), gone])) as [
      string,
    ];
    gone.catch(() => undefined);
    const told = JSON.parse(line) as { event?: string; url?: string };
    if (told.event !== 'listening' || told.url === undefined) {
      throw new Error(`The first line of start is ${line}`);
    }
    return told.url;
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** SIGTERM, and SIGKILL to what is left. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  async age(jobId: string, ms: number): Promise<void> {
    await this.#write('UPDATE jobs SET created_at = created_at - :ms WHERE id = :id', {
      id: jobId,
      ms,
    });
  }

  async spoilPlan(planId: string): Promise<void> {
    await this.#write('DELETE FROM plans WHERE id = :id', { id: planId });
  }

  /** What the server logged last. */
  get log(): string {
    return this.#log;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    this.#vanish();
  }

  #vanish(): void {
    this.#signal('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 3 });
  }

  async #write(sql: string, params: Params): Promise<void> {
    const changes = await this.#database.write(sql, params);
    if (changes !== 1) throw new Error(`${sql} changed ${changes} rows`);
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    if (this.#isRunning) {
      const exit = once(child, 'exit');
      if (signal === 'SIGTERM') child.kill(signal);
      else this.#signal(signal);
      await Promise.race([exit, pause(STOPS_WITHIN_MS, undefined, { ref: false })]);
    }
    this.#signal('SIGKILL');
    this.#child = null;
  }

  #signal(signal: NodeJS.Signals): void {
    const pid = this.#child?.pid;
    if (pid === undefined) return;
    try {
      process.kill(-pid, signal);
    } catch {
      // Nothing of the group is left.
    }
  }
}
