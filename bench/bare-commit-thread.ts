import { DatabaseSync } from 'node:sqlite';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { NewJob } from '../src/job/job.ts';

const port = parentPort;
if (port === null) throw new Error('bare-commit-thread.ts runs as a worker thread only');

const db = new DatabaseSync(workerData as string);
db.exec('PRAGMA journal_mode = WAL');
db.exec('PRAGMA synchronous = FULL');
db.exec(`CREATE TABLE jobs (
  id TEXT NOT NULL PRIMARY KEY, tool TEXT NOT NULL, team TEXT NOT NULL, owner TEXT NOT NULL,
  status TEXT NOT NULL, input TEXT NOT NULL, request_id TEXT NOT NULL, created_at INTEGER NOT NULL
) STRICT`);
const insert =
  db.prepare(`INSERT INTO jobs (id, tool, team, owner, status, input, request_id, created_at)
  VALUES (?, ?, ?, ?, 'queued', ?, ?, ?)`);
const begin = db.prepare('BEGIN IMMEDIATE');
const commit = db.prepare('COMMIT');

let waiting: NewJob[] = [];

port.on('message', (jobs: readonly NewJob[]) => {
  if (waiting.push(...jobs) === jobs.length) setImmediate(run);
});

function run(): void {
  for (let more = receiveMessageOnPort(port!); more; more = receiveMessageOnPort(port!)) {
    waiting.push(...(more.message as readonly NewJob[]));
  }
  begin.run();
  for (const { id, tool, team, owner, input, requestId, createdAt } of waiting) {
    insert.run(id, tool, team, owner, input, requestId, createdAt);
  }
  commit.run();
  port?.postMessage(waiting.map(({ id }) => id));
  waiting = [];
}
