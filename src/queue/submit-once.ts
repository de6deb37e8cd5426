/**
 * Submissions under an idempotency key. While the key is remembered, the same team, owner, tool and
 * key with the same arguments are the same job, however often and from wherever they come.
 */
import { hash } from 'node:crypto';
import { canonicalJson } from '../job/canonical-json.ts';
import { JobError } from '../job/errors.ts';
import type { Job, NewJob } from '../job/job.ts';
import type { Json } from '../job/json.ts';
import type { Who } from '../job/who.ts';
import { insertedJob } from '../store/job-row.ts';
import type { Replay } from '../store/store.ts';
import type { QueueContext } from './context.ts';

/** A call with a key. */
export interface Keyed {
  readonly who: Who;
  /** The arguments without the key. */
  readonly args: unknown;
  readonly key: string;
}

/** What the first call under a key made, and was answered. */
export interface First {
  readonly job: Job;
  readonly answer: Readonly<Record<string, Json>>;
  /** Whether it was there before this call. */
  readonly isReplay: boolean;
}

/**
 * What was answered to the first call with this key, or null when there was none.
 *
 * @throws JobError IDEMPOTENCY_CONFLICT when the first call had other arguments, or its job is gone
 */
export async function findFirst(
  { store }: QueueContext,
  tool: string,
  call: Keyed,
): Promise<First | null> {
  const known = await store.replay(call.who, tool, call.key);
  return known && replayed(store, call, known);
}

/**
 * Keep a job under its key, or find the one that was faster: the database decides.
 *
 * @throws JobError IDEMPOTENCY_CONFLICT as above; RATE_LIMITED
 */
export async function insertFirst(
  { store, maxOutstanding, idempotencyTtlMs }: QueueContext,
  job: NewJob,
  { call, answer }: { readonly call: Keyed; readonly answer: First['answer'] },
): Promise<First> {
  const first = await store.insertOnce(job, maxOutstanding, {
    key: call.key,
    hash: digestOf(call.args),
    answer: JSON.stringify(answer),
    ttlMs: idempotencyTtlMs,
  });
  if (first !== null) return replayed(store, call, first);
  // It is kept: a read that failed now would say that it is not.
  return { job: insertedJob(job, false), answer, isReplay: false };
}

async function replayed(
  store: QueueContext['store'],
  { who, args }: Keyed,
  known: Replay,
): Promise<First> {
  if (known.hash !== digestOf(args)) throw new JobError('IDEMPOTENCY_CONFLICT');
  const job = await store.get(known.jobId, who);
  if (job === null) {
    throw new JobError('IDEMPOTENCY_CONFLICT', {
      message: 'This idempotency key stands for a job that this token cannot see any more.',
      remediation: 'Choose another key to submit the work again.',
    });
  }
  return { job, answer: JSON.parse(known.answer) as First['answer'], isReplay: true };
}

/** Equal arguments have equal digests, in whatever order their members came. */
function digestOf(args: unknown): string {
  return hash('sha256', canonicalJson(args as Json));
}
