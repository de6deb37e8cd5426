/** Questions of jobs: which are open, and whether an answer fits what was asked. */
import { z } from 'zod';
import type { Answered, Question } from '../job/definition.ts';
import { JobError } from '../job/errors.ts';
import type { Job } from '../job/job.ts';
import type { Json } from '../job/json.ts';
import { printable } from '../job/printable.ts';

export type Questions = Readonly<Record<string, Question>>;
export type Answers = Readonly<Record<string, Answered>>;

/** The questions of a waiting job that have no answer yet; empty in every other status. */
export function openQuestions({ status, questions, answers }: Job): Questions {
  if (status !== 'waiting') return {};
  const open = Object.entries(questions ?? {}).filter(
    ([key]) => !Object.hasOwn(answers ?? {}, key),
  );
  return Object.fromEntries(open) as unknown as Questions;
}

/**
 * The answers to what was asked. Those under other keys are left out.
 *
 * @throws JobError VALIDATION_FAILED when one does not fit its requested schema
 */
export function checkAnswers(asked: Questions, given: Readonly<Record<string, unknown>>): Answers {
  const fields: Record<string, string[]> = {};
  const answers: Record<string, Answered> = {};
  for (const [key, question] of Object.entries(asked)) {
    if (!Object.hasOwn(given, key)) continue;
    const shown = printable(key, 80);
    const answer = given[key];
    if (!isAnswer(answer)) {
      fields[shown] = ['must have an action: accept, decline or cancel'];
    } else if (answer.action !== 'accept') answers[key] = { action: answer.action };
    else {
      const parsed = schemaOf(question).safeParse(answer.content ?? {});
      if (parsed.success) {
        const content = parsed.data as Record<string, Json>;
        answers[key] = { action: 'accept', content };
      } else {
        for (const { path, message } of parsed.error.issues.slice(0, 20)) {
          const name = printable([shown, 'content', ...path.map(String)].join('.'), 80);
          fields[name] = [printable(message, 200)];
        }
      }
    }
  }
  const [first] = Object.entries(fields);
  if (!first) return answers;
  throw new JobError('VALIDATION_FAILED', {
    message: `The answer is not valid: ${first[0]}: ${first[1][0]}.`,
    remediation: 'Answer again as requestedSchema says. Nothing was changed.',
    fields,
  });
}

const ACTIONS: readonly unknown[] = ['accept', 'decline', 'cancel'];

function isAnswer(value: unknown): value is Answered {
  return (
    typeof value === 'object' && value !== null && ACTIONS.includes((value as Answered).action)
  );
}

function schemaOf({ requestedSchema }: Question): z.ZodType {
  return z.fromJSONSchema(requestedSchema);
}
