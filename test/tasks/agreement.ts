/**
 * One job, seen through every surface at once while random things happen to it: the surfaces never
 * disagree, and none goes backwards. For any store.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  array,
  assert as check,
  asyncProperty,
  constant,
  constantFrom,
  oneof,
  tuple,
} from 'fast-check';
import { serve } from '../../src/http.ts';
import { definitionsOf } from '../../src/index.ts';
import { JobError } from '../../src/job/errors.ts';
import type { Job } from '../../src/job/job.ts';
import type { Json } from '../../src/job/json.ts';
import {
  ask,
  cancel,
  complete,
  fail,
  faulted,
  handBack,
  type Change,
} from '../../src/job/transitions.ts';
import { identityOf } from '../../src/store/process-identity.ts';
import type { Store } from '../../src/store/store.ts';
import { byName } from '../http/fixture.ts';
import type { Ending } from '../support/temp.ts';
import * as jobs from './jobs.ts';
import { observer } from './observed.ts';
import { modern, plain, TASK_JOBS } from './wire.ts';

const WHO = { team: 'anna', owner: 'anna', abilities: ['*'] };
const HOUR_MS = 3_600_000;
const tools = [...definitionsOf(jobs).keys()];

interface History {
  readonly store: Store;
  readonly url: string;
  readonly id: string;
  /** As the run that holds it has it; null when nobody does. */
  held: Job | null;
}

type Move = (history: History) => Promise<unknown>;

/** What a run does, under its lease, which may have been lost meanwhile. */
const run =
  (change: (job: Job) => Change): Move =>
  async ({ store, id, held }) =>
    held && store.apply(id, change(held));

const asking = (waitMs: number): Move =>
  run((job) => {
    const key = `q${job.runs}`;
    return ask(
      job,
      { [key]: jobs.SIZE, [`${key}b`]: jobs.COLOUR } as unknown as Record<string, Json>,
      waitMs,
    );
  });

const claiming =
  (leaseMs: number): Move =>
  async (history) => {
    const request = { worker: 'wrk_test', tools, limit: 1, leaseMs, idle: true };
    const { jobs: claimed } = await history.store.claim(request);
    history.held = claimed[0] ?? history.held;
  };

const sweep: Move = ({ store }) =>
  store.sweep({ retentionMs: 1_000 * HOUR_MS, toolMissingMs: HOUR_MS });

/** The only worker that lives knows another tool; the first sweep notes it, the second one acts. */
const missing: Move = async ({ store }) => {
  const self = identityOf(process.pid);
  await store.beat({ id: 'wrk_other', process: self, supervisor: self, tools: ['other'] });
  const limits = { retentionMs: 1_000 * HOUR_MS, toolMissingMs: 0 };
  await store.sweep(limits);
  await store.sweep(limits);
};

const answering =
  (count: number): Move =>
  async ({ store, url, id }) => {
    const job = await store.get(id, WHO);
    const open = Object.keys(job?.questions ?? {}).slice(0, count);
    const inputResponses = Object.fromEntries(open.map((key) => [key, { action: 'decline' }]));
    await modern(url, 'tasks/update', { taskId: id, inputResponses });
  };

/** What may happen to a job. */
const MOVES: Readonly<Record<string, Move>> = {
  claim: claiming(60_000),
  'claim for a moment': claiming(1),
  'say how far it is': async ({ store, id, held }) =>
    held &&
    store.progress(
      { id, lease: held.lease ?? '' },
      { done: held.runs, total: 50, message: 'on the way' },
    ),
  complete: run((job) => complete(job, '{"sum":3}', [])),
  refuse: run((job) => fail(job, new JobError('OUT_OF_PAPER'))),
  fault: run((job) => faulted(job, 'ATTEMPTS_EXHAUSTED', { baseMs: 0, maxMs: 0 })),
  'fault for good': run((job) => faulted({ ...job, attemptsMax: 1 }, 'ATTEMPTS_EXHAUSTED')),
  'hand back': run((job) => handBack(job)),
  ask: asking(60_000),
  'ask for a moment': asking(1),
  'answer one': answering(1),
  'answer all': answering(9),
  cancel: ({ store, id }) => store.applyAs(id, WHO, cancel('req_test')),
  sweep,
  'miss the tool': missing,
};

/** Histories that are tried in any case, one for each way in which a job ends. */
const EVERY_END: readonly [string, string?][][] = [
  [['claim', 'complete']],
  [['claim', 'refuse']],
  [['claim', 'fault for good']],
  [['claim', 'ask for a moment'], ['sweep']],
  [['miss the tool']],
  [['claim', 'ask'], ['answer one'], ['answer all'], ['cancel']],
];

/** @param histories how many are tried */
export function agreement(
  engine: string,
  histories: number,
  open: (t: Ending) => Promise<Store>,
): void {
  const title = 'the surfaces never disagree and never go backwards';
  test(`${title}, on ${engine}`, { timeout: 59_000 }, async (t) => {
    const store = await open(t);
    const serving = await serve({
      jobs: TASK_JOBS,
      db: store,
      identify: byName,
      port: 0,
      workers: 0,
      rateLimit: 0,
    });
    t.after(() => serving.close({ graceMs: 0 }));
    const { url } = serving;
    const move = constantFrom(...Object.keys(MOVES));
    // Without a claim in front most moves mean nothing.
    const moves = array(oneof(tuple(constant('claim'), move), tuple(move)), {
      minLength: 1,
      maxLength: 6,
    });
    const ends = new Set<string>();
    await check(
      asyncProperty(moves, async (steps) => {
        const { data } = await plain(url, 'add', { a: 1, b: 2 });
        const history: History = { store, url, id: data.job_id, held: null };
        const seen = await observer(url, store, history.id);
        try {
          for (const step of [...steps.flat(), 'cancel']) {
            await MOVES[step]?.(history);
            await seen.observe(step);
          }
          ends.add(await seen.ended());
        } finally {
          await seen.close();
        }
      }),
      { numRuns: histories, examples: EVERY_END.map((steps) => [steps]) },
    );
    assert.equal(ends.size, EVERY_END.length, [...ends].join(', '));
  });
}
