/** A real PgBouncer in transaction mode before a server, where the machine has one. */
import { spawn, spawnSync } from 'node:child_process';
import { chownSync, writeFileSync } from 'node:fs';
import { createServer, connect, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { tempFolder, type Ending } from './temp.ts';
import { until } from './until.ts';

export const noPgbouncer = (): string | null =>
  spawnSync('pgbouncer', ['--version'], { stdio: 'ignore' }).status === 0
    ? null
    : 'pgbouncer is missing; install it (Debian: apt-get install pgbouncer)';

const NOBODY = 65_534;

/** @returns the same address, through the pooler; `more` are further settings of it */
export async function startPgbouncer(t: Ending, url: string, more = ''): Promise<string> {
  const folder = tempFolder(t, tmpdir());
  const target = new URL(url);
  const port = await freePort();
  const file = join(folder, 'pgbouncer.ini');
  writeFileSync(
    file,
    `[databases]\n* = host=127.0.0.1 port=${target.port} user=postgres\n
[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = ${port}\nunix_socket_dir = ${folder}
auth_type = any\npool_mode = transaction\ndefault_pool_size = 12\nmax_client_conn = 500\n${more}\n`,
  );
  const isRoot = process.getuid?.() === 0;
  if (isRoot) for (const path of [folder, file]) chownSync(path, NOBODY, NOBODY);
  const child = spawn('pgbouncer', ['-q', file], {
    stdio: 'ignore',
    ...(isRoot && { uid: NOBODY, gid: NOBODY }),
  });
  const ended = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  await until('the pooler listens', () => canConnect(port));
  target.port = String(port);
  return target.href;
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
