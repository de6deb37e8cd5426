/** One worker in this process, over a store that the test plays. */
import { z } from 'zod';
import { now } from '../../src/job/clock.ts';
import { defineJob, definitionsOf, type JobContext } from '../../src/job/definition.ts';
import type { Job } from '../../src/job/job.ts';
import { SILENT } from '../../src/job/log.ts';
import type { Change } from '../../src/job/transitions.ts';
import { insertedJob } from '../../src/store/job-row.ts';
import { Worker, type WorkerOptions } from '../../src/worker/worker.ts';
import { aJob } from '../support/a-job.ts';
import type { Ending } from '../support/temp.ts';

/** Unlike the default, so that it can be told from it. */
export const BACKOFF = { baseMs: 3_000_000, maxMs: 3_000_000 };
export const ANSWER_WITHIN_MS = 1_234_000;

type Handler = (input: unknown, job: JobContext) => unknown;

/** What a handler does until it is told to stop. */
export const untilStopped: Handler = (_, { signal }) =>
  new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error('stopped')));
  });

/** The one tool of the worker. */
export function printing(run: Handler) {
  return defineJob({
    name: 'print',
    description: 'Does what the test says.',
    input: z.object({}),
    output: z.object({}),
    backoff: BACKOFF,
    answerWithinMs: ANSWER_WITHIN_MS,
    run: run as () => Record<string, never>,
  });
}

/** A job as a claim gives it to the worker. */
export function aClaimed(given: Partial<Job> = {}): Job {
  const job = insertedJob(aJob(), false);
  const run = { status: 'running', runs: 1, lease: 'lease_1', worker: 'wrk_1' } as const;
  return { ...job, ...run, startedAt: now(), ...given };
}

interface Played extends Partial<Omit<WorkerOptions, 'store'>> {
  readonly run?: Handler;
  /** Given by the first claim. Default one job. */
  readonly jobs?: Job[];
  readonly store?: Partial<WorkerOptions['store']>;
}

/** A worker that is stopped with its test, and every change that it has written. */
export function aWorker(
  t: Ending,
  { run = () => ({}), jobs = [aClaimed()], store, ...options }: Played = {},
): { readonly worker: Worker; readonly settled: readonly Change[] } {
  const settled: Change[] = [];
  const worker = new Worker({
    id: 'wrk_1',
    definitions: definitionsOf({ print: printing(run) }),
    settings: null,
    concurrency: 1,
    leaseMs: 60_000,
    maxRunningPerTeam: 0,
    log: SILENT,
    ...options,
    store: {
      claim: () => Promise.resolve({ jobs: jobs.splice(0), nextDueMs: null }),
      apply(_, change) {
        settled.push(change);
        return Promise.resolve({ outcome: 'applied', status: change.to });
      },
      renew: () => Promise.resolve([]),
      progress: () => Promise.resolve(true),
      onDue: () => () => {},
      ...store,
    },
  });
  t.after(() => worker.stop(0));
  return { worker, settled };
}
