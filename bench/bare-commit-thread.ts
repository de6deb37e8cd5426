import { DatabaseSync } from 'node:sqlite';
import {
  parentPort,
  receiveMessageOnPort,
  workerData,
  type MessagePort,
} from 'node:worker_threads';
import type { NewJob } from '../src/job/job.ts';
import type { BareTable } from './bare-commit.ts';

const port = portOf(parentPort);

function portOf(found: MessagePort | null): MessagePort {
  if (found === null) throw new Error('bare-commit-thread.ts runs as a worker thread only');
  return found;
}

const { path, table } = workerData as { path: string; table: BareTable };
const db = new DatabaseSync(path);
db.exec('PRAGMA journal_mode = WAL');
db.exec('PRAGMA synchronous = FULL');
if (table === 'plain') {
  db.exec(`CREATE TABLE jobs (
    id TEXT NOT NULL PRIMARY KEY, tool TEXT NOT NULL, team_id TEXT NOT NULL, owner_id TEXT NOT NULL,
    status TEXT NOT NULL, input TEXT NOT NULL, request_id TEXT NOT NULL, attempts_max INTEGER NOT NULL,
    timeout_ms INTEGER NOT NULL, turn INTEGER NOT NULL, created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
  ) STRICT`);
}
const insert = db.prepare(`INSERT INTO jobs (id, tool, team_id, owner_id, status, input, request_id,
    attempts_max, timeout_ms, turn, created_at, updated_at)
  VALUES (?, ?, ?, ?, 'queued', ?, ?, ?, ?, ?, ?, ?)`);
let turn = 0;
const begin = db.prepare('BEGIN IMMEDIATE');
const commit = db.prepare('COMMIT');

let waiting: NewJob[] = [];

port.on('message', (jobs: readonly NewJob[]) => {
  if (waiting.push(...jobs) === jobs.length) setImmediate(run);
});

function run(): void {
  for (let more = receiveMessageOnPort(port); more; more = receiveMessageOnPort(port)) {
    waiting.push(...(more.message as readonly NewJob[]));
  }
  begin.run();
  for (const job of waiting) {
    const { id, tool, team, owner, input, requestId, attemptsMax, timeoutMs, createdAt: at } = job;
    turn += 1;
    insert.run(id, tool, team, owner, input, requestId, attemptsMax, timeoutMs, turn, at, at);
  }
  commit.run();
  port.postMessage(waiting.map(({ id }) => id));
  waiting = [];
}
