/**
 * Definitions for tests of the worker, each named after how it behaves. What a handler does it also
 * writes into the file `marks` of the folder in `settings`, so that a test sees it from outside.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { defineJob, defineStatement, JobError, type JobContext } from '../../src/index.ts';
import type { Migrations } from '../../src/store/migrations.ts';

export const PIECES: Migrations = {
  namespace: 'pieces',
  sqlite: [
    `CREATE TABLE pieces (job TEXT NOT NULL, n INTEGER NOT NULL CHECK (n > 0), PRIMARY KEY (job, n))`,
  ],
};
export const insertPiece = defineStatement<{ job: string; n: number }>({
  name: 'insert_piece',
  sqlite: 'INSERT INTO pieces (job, n) VALUES (:job, :n)',
});
export const countPieces = defineStatement<Record<string, never>, { job: string; pieces: number }>({
  name: 'count_pieces',
  sqlite: 'SELECT job, count(*) AS pieces FROM pieces GROUP BY job',
});

/** One line of the file `marks`. */
export interface Mark {
  readonly what: string;
  readonly key: string;
  readonly attempt: number;
  readonly pid: number;
}

export function marksIn(folder: string): Mark[] {
  const path = join(folder, 'marks');
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as Mark);
}

const input = z.object({ key: z.string() });
const output = z.object({ key: z.string(), attempt: z.number() });
type Input = z.infer<typeof input>;
type Run = Pick<JobContext, 'id' | 'attempt' | 'settings'>;
const folderOf = ({ settings }: Run) => (settings as { folder: string }).folder;

function mark(what: string, { key }: Input, job: Run): void {
  const line = JSON.stringify({ what, key, attempt: job.attempt, pid: process.pid });
  appendFileSync(join(folderOf(job), 'marks'), `${line}\n`);
}

function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

const base = { input, output, attempts: 3, backoff: { baseMs: 20, maxMs: 40 } } as const;
const pieces = (job: Run) =>
  insertPiece(
    [1, 2, 3].map((n) => ({ job: job.id, n })),
    { expect: 3 },
  );
const result = ({ key }: Input, job: Run) => ({ key, attempt: job.attempt });

export const quick = defineJob({
  ...base,
  name: 'quick',
  description: 'Ends at once, with three pieces as its effect.',
  run(args, job) {
    mark('began', args, job);
    return job.complete(result(args, job), [pieces(job)]);
  },
});

export const gated = defineJob({
  ...base,
  name: 'gated',
  description: 'Ends when a file of the name of its key is there, or when it is told to stop.',
  async run(args, job) {
    mark('began', args, job);
    while (!existsSync(join(folderOf(job), args.key))) {
      if (job.signal.aborted) {
        mark('stopped', args, job);
        throw new Error('stopped');
      }
      await pause(5);
    }
    mark('ended', args, job);
    return job.complete(result(args, job), [pieces(job)]);
  },
});

export const examined = defineJob({
  ...base,
  name: 'examined',
  description: 'Returns what is not found good before a file of the name of its key is there.',
  output: output.extend({ folder: z.string() }).refine(async ({ folder, key }) => {
    while (!existsSync(join(folder, key))) await pause(5);
    return true;
  }),
  run(args, job) {
    mark('began', args, job);
    return { ...result(args, job), folder: folderOf(job) };
  },
});

export const endless = defineJob({
  ...base,
  name: 'endless',
  description: 'Returns what is never found good or bad.',
  attempts: 1,
  timeoutMs: 300,
  output: output.refine(() => new Promise<never>(() => {})),
  run: result,
});

export const deaf = defineJob({
  ...base,
  name: 'deaf',
  description: 'Never ends, and does not hear that it should.',
  attempts: 1,
  timeoutMs: 300,
  async run(args, job) {
    mark('began', args, job);
    await new Promise<never>(() => {});
    return result(args, job);
  },
});

export const blocking = defineJob({
  ...base,
  name: 'blocking',
  description: 'Blocks the loop for a minute.',
  attempts: 1,
  timeoutMs: 300,
  run(args, job) {
    mark('began', args, job);
    block(60_000);
    return result(args, job);
  },
});

export const stubborn = defineJob({
  ...base,
  name: 'stubborn',
  description: 'Blocks the loop for a minute, and may.',
  run(args, job) {
    mark('began', args, job);
    block(60_000);
    return result(args, job);
  },
});

export const drowsy = defineJob({
  ...base,
  name: 'drowsy',
  description: 'Blocks the loop for 700 ms, then ends.',
  run(args, job) {
    mark('began', args, job);
    block(700);
    return job.complete(result(args, job), [pieces(job)]);
  },
});

export const slow = defineJob({
  ...base,
  name: 'slow',
  description: 'Heeds its deadline.',
  attempts: 2,
  timeoutMs: 100,
  async run(args, job) {
    mark('began', args, job);
    await pause(60_000, undefined, { signal: job.signal });
    return result(args, job);
  },
});

export const flaky = defineJob({
  ...base,
  name: 'flaky',
  description: 'Fails twice.',
  run(args, job) {
    mark('began', args, job);
    if (job.attempt < 3) throw new Error('a secret of the inside');
    return result(args, job);
  },
});

export const broken = defineJob({
  ...base,
  name: 'broken',
  description: 'Fails always.',
  run(args, job): { key: string; attempt: number } {
    mark('began', args, job);
    throw new Error('a secret of the inside');
  },
});

export const strange = defineJob({
  ...base,
  name: 'strange',
  description: 'Throws what its key says, which nobody can describe.',
  attempts: 2,
  run(args, job): { key: string; attempt: number } {
    mark('began', args, job);
    const speechless = new Error('never read');
    Object.defineProperty(speechless, 'stack', {
      get() {
        throw new Error('no');
      },
    });
    const thrown: Record<string, unknown> = {
      nothing: Object.create(null),
      speechless,
      code: new JobError(404 as never),
    };
    throw thrown[args.key];
  },
});

export const refusing = defineJob({
  ...base,
  name: 'refusing',
  description: 'Says that it has failed.',
  run(args, job): { key: string; attempt: number } {
    mark('began', args, job);
    throw new JobError('NO_PAPER', { message: 'No paper.' });
  },
});

export const exiting = defineJob({
  ...base,
  name: 'exiting',
  description: 'Ends its process when the key says so.',
  attempts: 2,
  async run(args, job) {
    mark('began', args, job);
    await pause(150);
    if (args.key.startsWith('bad')) process.exit(3);
    return job.complete(result(args, job), [pieces(job)]);
  },
});

export const dated = defineJob({
  ...base,
  name: 'dated',
  description: 'Returns what is no JSON.',
  run: (args, job) => ({ ...result(args, job), when: new Date() }),
});

export const misfit = defineJob({
  ...base,
  name: 'misfit',
  description: 'Returns what its schema does not allow.',
  run: (args) => ({ key: args.key, attempt: 'first' as unknown as number }),
});

export const unmet = defineJob({
  ...base,
  name: 'unmet',
  description: 'Expects more of its effect than it does.',
  run(args, job) {
    mark('began', args, job);
    const effect = insertPiece({ job: job.id, n: 1 }, { expect: 2 });
    return job.complete(result(args, job), [effect]);
  },
});

export const breaking = defineJob({
  ...base,
  name: 'breaking',
  description: 'Has an effect that a constraint forbids.',
  run(args, job) {
    mark('began', args, job);
    return job.complete(result(args, job), [insertPiece({ job: job.id, n: -1 })]);
  },
});

export const mistyped = defineJob({
  ...base,
  name: 'mistyped',
  description: 'Has an effect with a parameter that nobody knows.',
  run: (args, job) =>
    job.complete(result(args, job), [insertPiece({ job: job.id, n: 1, m: 1 } as never)]),
});

export const gossip = defineJob({
  ...base,
  name: 'gossip',
  description: 'Logs what is no data.',
  attempts: 1,
  run(args, job) {
    const circle: Record<string, unknown> = { big: 10n, sign: Symbol('sign'), when: new Date(0) };
    circle['round'] = circle;
    const trap = {
      get value(): never {
        throw new Error('no');
      },
    };
    const unseen = new Proxy({}, { ownKeys: () => ['a', 'a'] });
    job.log.info({ client: { get: () => 1, url: new URL('http://localhost/') } }, 'a function');
    job.log.info(circle, 'a circle');
    job.log.warn({ trap, unseen }, 'a trap');
    job.log.error({ err: new TypeError('wrong', { cause: new Error('deeper') }) }, 'an error');
    job.log.info({ many: Array.from({ length: 1e6 }).fill(0) }, 'a lot');
    job.log.info(trap, Symbol('no text') as never);
    job.log.debug(null as never, 'nothing');
    job.log.debug('only words' as never);
    return result(args, job);
  },
});

export const veiled = defineJob({
  ...base,
  name: 'veiled',
  description: 'Asks, and then has effects, through proxies, which cannot be sent as they are.',
  async run(args, job) {
    const message = 'Go on?';
    await job.ask({
      go: new Proxy({ message, requestedSchema: { type: 'object', properties: {} } }, {}),
    });
    return job.complete(result(args, job), [insertPiece(new Proxy({ job: job.id, n: 1 }, {}))]);
  },
});

export const unsendable = defineJob({
  ...base,
  name: 'unsendable',
  description: 'Has an effect with a value that is no data.',
  run: (args, job) =>
    job.complete(result(args, job), [insertPiece({ job: job.id, n: () => 1 } as never)]),
});

export const chatty = defineJob({
  ...base,
  name: 'chatty',
  description: 'Says ten thousand times how far it is.',
  async run(args, job) {
    for (let done = 1; done <= 10_000; done += 1) {
      job.progress(done, 10_000, `step ${done}`);
      if (done % 500 === 0) await pause(60);
    }
    return result(args, job);
  },
});
