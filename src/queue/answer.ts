import type { Job } from '../job/job.ts';
import type { Json } from '../job/json.ts';
import type { Who } from '../job/who.ts';
import type { QueueContext } from './context.ts';
import { get, getWritten, ownJobsOf } from './get.ts';
import { checkAnswers, openQuestions } from './questions.ts';

/**
 * Answer questions of a job of one's own. Answers to unknown and to answered questions are ignored.
 *
 * @param given by the key of the question, as they came
 * @returns the job afterwards
 * @throws JobError RESOURCE_NOT_FOUND for unknown and foreign jobs alike; VALIDATION_FAILED when an
 *   answer does not fit what was asked, and then none is kept
 */
export async function answer(
  context: QueueContext,
  id: string,
  caller: {
    readonly who: Who;
    readonly requestId: string;
    readonly given: Readonly<Record<string, unknown>>;
  },
): Promise<Job> {
  const { store, log } = context;
  const own = ownJobsOf(caller.who);
  const job = await get(context, id, own);
  const answers = checkAnswers(openQuestions(job), caller.given);
  if (Object.keys(answers).length === 0) return job;
  const kept = answers as unknown as Readonly<Record<string, Json>>;
  const { outcome } = await store.answer(id, own, kept);
  if (outcome === 'applied') {
    log.info({ request_id: caller.requestId, job_id: id }, 'job answered');
  }
  return getWritten(context, id, own);
}
