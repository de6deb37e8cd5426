/**
 * Jobs for fault tests. What a handler does it also writes into the file `marks`, so that it can be
 * met in the middle of its work; its effect has no constraint, so that writing it twice would show.
 */
import { randomBytes } from 'node:crypto';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { defineJob, defineStatement, type JobContext, type Migrations } from '../../src/index.ts';

const CREATE = 'CREATE TABLE done (job TEXT NOT NULL, run TEXT NOT NULL)';
const INSERT = 'INSERT INTO done (job, run) VALUES (:job, :run)';

export const DONE: Migrations = { namespace: 'faults', sqlite: [CREATE], postgres: [CREATE] };

export const insertDone = defineStatement<{ job: string; run: string }>({
  name: 'insert_done',
  sqlite: INSERT,
  postgres: INSERT,
});

/** One line of the file `marks`. */
export interface Mark {
  readonly what: 'began' | 'ended' | 'stopped';
  readonly job: string;
  readonly key: string;
  readonly run: string;
  readonly attempt: number;
  readonly pid: number;
}

export function marksOf(folder: string): Mark[] {
  const path = join(folder, 'marks');
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as Mark);
}

const input = z.object({ key: z.string(), ms: z.int().min(0).max(60_000).optional() });
const output = z.object({ key: z.string(), run: z.string() });
type Input = z.infer<typeof input>;

const folderOf = ({ settings }: Pick<JobContext, 'settings'>) =>
  (settings as { folder: string }).folder;

/** A run of a handler, known by a name of its own. */
function begin({ key }: Input, job: Pick<JobContext, 'id' | 'attempt' | 'settings'>) {
  const run = randomBytes(6).toString('hex');
  const mark = (what: Mark['what']): void => {
    const line: Mark = { what, job: job.id, key, run, attempt: job.attempt, pid: process.pid };
    appendFileSync(join(folderOf(job), 'marks'), `${JSON.stringify(line)}\n`);
  };
  mark('began');
  return {
    run,
    mark,
    result: { key, run },
    effects: [insertDone({ job: job.id, run }, { expect: 1 })],
  };
}

const base = { input, output, attempts: 3, backoff: { baseMs: 20, maxMs: 40 } } as const;

export const quick = defineJob({
  ...base,
  name: 'quick',
  description: 'Ends at once, or after `ms`.',
  async run(args, job) {
    const { result, effects } = begin(args, job);
    if (args.ms) await pause(args.ms);
    return job.complete(result, effects);
  },
});

export const gated = defineJob({
  ...base,
  name: 'gated',
  description: 'Ends when a file of the name of its key is there.',
  async run(args, job) {
    const { result, effects, mark } = begin(args, job);
    while (!existsSync(join(folderOf(job), args.key))) {
      if (job.signal.aborted) {
        mark('stopped');
        throw new Error('stopped');
      }
      await pause(5);
    }
    mark('ended');
    return job.complete(result, effects);
  },
});

export const drowsy = defineJob({
  ...base,
  name: 'drowsy',
  description: 'Blocks the loop for `ms` in its first run, then ends.',
  run(args, job) {
    const isFirst = !marksOf(folderOf(job)).some(({ key }) => key === args.key);
    const { result, effects } = begin(args, job);
    if (isFirst) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, args.ms ?? 1_000);
    return job.complete(result, effects);
  },
});

export const flaky = defineJob({
  ...base,
  name: 'flaky',
  description: 'Throws at its first attempt.',
  run(args, job) {
    const { result, effects } = begin(args, job);
    if (job.attempt < 2) throw new Error('first');
    return job.complete(result, effects);
  },
});

export const resting = defineJob({
  ...base,
  name: 'resting',
  description: 'Throws at its first attempt, and rests for longer than a poll before the next.',
  backoff: { baseMs: 3_000, maxMs: 3_000 },
  run(args, job) {
    const { result, effects } = begin(args, job);
    if (job.attempt < 2) throw new Error('first');
    return job.complete(result, effects);
  },
});

export const chunky = defineJob({
  ...base,
  name: 'chunky',
  description: 'Works in forty steps, and tells of each.',
  async run(args, job) {
    const { result, effects } = begin(args, job);
    for (let step = 1; step <= 40 && !job.signal.aborted; step += 1) {
      job.progress(step, 40);
      await pause(2);
    }
    return job.complete(result, effects);
  },
});

export const asks = defineJob({
  ...base,
  name: 'asks',
  description: 'Asks for a size, then ends.',
  async run(args, job) {
    const { result, effects } = begin(args, job);
    const properties = { size: { type: 'integer' } };
    await job.ask({
      size: { message: 'Which size?', requestedSchema: { type: 'object', properties } },
    });
    return job.complete(result, effects);
  },
});

/** How a job can take its process with it. */
const deaths: Readonly<Record<string, () => void>> = {
  exits: () => process.exit(3),
  crashes: () => process.kill(process.pid, 'SIGSEGV'),
  loops: () => {
    for (;;);
  },
  eats: () => {
    const eaten: unknown[] = [];
    for (;;) eaten.push(Array.from({ length: 1_000_000 }, (_, index) => ({ index })));
  },
};

export const poison = defineJob({
  ...base,
  name: 'poison',
  description: 'Ends its process in the way that its key begins with, at each attempt.',
  attempts: 2,
  timeoutMs: 2_000,
  async run(args, job) {
    const { result, effects } = begin(args, job);
    await pause(20);
    deaths[args.key.split('-')[0] ?? '']?.();
    return job.complete(result, effects);
  },
});
