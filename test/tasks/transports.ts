/**
 * A server in processes of its own, over either transport, for tests that speak JSON-RPC with it in
 * the words of either generation, and kill it.
 */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { processesOf } from '../../scripts/cli-process.ts';
import { startScript, type Script } from '../support/child.ts';
import { tempFolder, type Ending } from '../support/temp.ts';
import { until } from '../support/until.ts';
import { openStream } from './streams.ts';
import { envelopeOf, modern, old, type Reply } from './wire.ts';

type Params = Readonly<Record<string, unknown>>;
export type Era = '2026-07-28' | '2025-11-25';

export interface Listening {
  /** What has come so far; the response comes last. */
  readonly frames: () => readonly Reply[];
  readonly isEnded: () => boolean;
}

export interface Server {
  /** The file of its database. */
  readonly db: string;
  ask(method: string, params: Params): Promise<Reply>;
  /** A subscription of 2026-07-28. */
  listen(notifications: object): Promise<Listening>;
  /** End the server alone, at once and unasked, and start another one on the same file. */
  killServer(): Promise<void>;
  /** End its worker, at once and unasked; another one takes its place. */
  killWorker(): Promise<void>;
  /** End all of it, at once and unasked, and start it again. */
  killAll(): Promise<void>;
}

const SERVER = new URL('./server-process.ts', import.meta.url);
const JOBS = fileURLToPath(new URL('./jobs.ts', import.meta.url));
const BIN = fileURLToPath(new URL('../../bin/mcp-async-jobs.js', import.meta.url));

async function overHttp(t: Ending, era: Era): Promise<Server> {
  const db = `${tempFolder(t)}/jobs.db`;
  let server: Script = startScript(t, SERVER, { db, port: 0 });
  const { url } = (await server.said('listening')) as { url: string };
  const port = Number(new URL(url).port);
  const workers = async (): Promise<readonly number[]> => {
    const before = server.lines.length;
    server.send({});
    return (await until('the workers are told', () => server.lines[before]))['workers'] as number[];
  };
  const killServer = async (): Promise<void> => {
    server.kill('SIGKILL');
    await server.ended;
    server = startScript(t, SERVER, { db, port });
    await server.said('listening');
  };
  return {
    db,
    ask: (method, params) => (era === '2026-07-28' ? modern : old)(url, method, params),
    async listen(notifications) {
      const { frames, isEnded } = await openStream(url, notifications);
      return { frames: () => frames, isEnded };
    },
    killServer,
    async killWorker() {
      const pids = await until('a worker runs', async () => {
        const living = await workers();
        return living.length > 0 && living;
      });
      for (const pid of pids) process.kill(pid, 'SIGKILL');
    },
    async killAll() {
      for (const pid of await workers()) process.kill(pid, 'SIGKILL');
      await killServer();
    },
  };
}

/** One connection, to a server that serves it alone. */
async function overStdio(t: Ending, era: Era): Promise<Server> {
  const db = `${tempFolder(t)}/jobs.db`;
  const command = [BIN, 'stdio', '--db', db, '--jobs', JOBS, '--log-level', 'error'];
  const messages: (Reply & { readonly id?: number })[] = [];
  let child: ChildProcess;
  let last = 0;
  let answers = new Map<number, (reply: Reply) => void>();

  const write = (message: object): void => {
    child.stdin?.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  };
  const ask = async (method: string, params: Params): Promise<Reply> => {
    const id = (last += 1);
    const answered = new Promise<Reply>((resolve) => {
      answers.set(id, resolve);
    });
    const _meta = era === '2026-07-28' ? envelopeOf() : undefined;
    write({ id, method, params: { ...params, ...(_meta && { _meta }) } });
    return answered;
  };
  const start = async (): Promise<void> => {
    child = spawn(process.execPath, command, {
      stdio: ['pipe', 'pipe', 'inherit'],
      detached: true,
    });
    answers = new Map();
    // What a server that is killed has not read.
    child.stdin?.on('error', () => {});
    assert.ok(child.stdout);
    createInterface({ input: child.stdout }).on('line', (line) => {
      const message = JSON.parse(line) as (typeof messages)[number];
      messages.push(message);
      answers.get(message.id ?? 0)?.(message);
    });
    if (era === '2025-11-25') {
      const clientInfo = { name: 'test', version: '1' };
      await ask('initialize', { protocolVersion: era, capabilities: {}, clientInfo });
      write({ method: 'notifications/initialized' });
    } else await ask('server/discover', {});
  };
  const group = (): number => child.pid ?? 0;
  const workers = (): number[] => processesOf(group()).filter((pid) => pid !== group());
  const end = async (pids: readonly number[]): Promise<void> => {
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    await until('they are gone', () => !processesOf(group()).some((pid) => pids.includes(pid)));
  };
  t.after(() => end(processesOf(group())));
  await start();
  return {
    db,
    ask,
    listen(notifications) {
      const [before, id] = [messages.length, last + 1];
      let isEnded = false;
      void ask('subscriptions/listen', { notifications }).finally(() => {
        isEnded = true;
      });
      const isOfIt = (one: (typeof messages)[number]) => one.id === undefined || one.id === id;
      return Promise.resolve({
        frames: () => messages.slice(before).filter(isOfIt),
        isEnded: () => isEnded,
      });
    },
    async killServer() {
      const ended = once(child, 'exit');
      await end([group()]);
      await ended;
      await start();
    },
    async killWorker() {
      await end(await until('a worker runs', () => workers().length > 0 && workers()));
    },
    async killAll() {
      await end(processesOf(group()));
      await start();
    },
  };
}

export const TRANSPORTS: Readonly<Record<string, (t: Ending, era: Era) => Promise<Server>>> = {
  HTTP: overHttp,
  stdio: overStdio,
};
