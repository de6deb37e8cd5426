/** By the tasks of the v1 SDK, of 2025-11-25. */
import type { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { CallToolResultSchema, ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { until } from '../support/until.ts';
import { dataOf, questionsOf } from './by-tools.ts';
import type { Answers, JobClient } from './job-client.ts';

/** @param canBeAsked whether the server has a way to the client, as over stdio */
export function byOldTasks(client: Client, canBeAsked: boolean): JobClient {
  const { tasks } = client.experimental;
  return {
    async submit(name, args) {
      const stream = tasks.callToolStream({ name, arguments: args }, CallToolResultSchema, {
        task: {},
      });
      for await (const message of stream) {
        if (message.type === 'taskCreated') return message.task.taskId;
        if (message.type === 'error') throw message.error;
      }
      throw new Error(`${name} gave no task`);
    },
    async result(id) {
      const { status } = await until(
        `${id} is final`,
        async () => {
          const task = await tasks.getTask(id);
          return ['completed', 'failed', 'cancelled'].includes(task.status) && task;
        },
        { ms: 30_000, everyMs: 50 },
      );
      if (status !== 'completed') return { [status]: true };
      return (await tasks.getTaskResult(id, CallToolResultSchema)).structuredContent;
    },
    cancel: async (id) => void (await tasks.cancelTask(id)),
    questions: (id) => questionsOf(client, id),
    async answer(id, answers) {
      if (canBeAsked) await whileItWaits(client, id, answers);
      // Without sessions nobody can be asked over HTTP, and tasks of 2025-11-25 have no other way.
      else await dataOf(client, 'answer_job', { job_id: id, answers });
    },
    close: () => client.close(),
  };
}

/** Wait for the result until everything has been asked and answered on the way, and no longer. */
async function whileItWaits(client: Client, id: string, answers: Answers): Promise<void> {
  const open = new Set(Object.keys(answers));
  client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
    const [key = ''] = Object.keys(
      'requestedSchema' in params ? params.requestedSchema.properties : {},
    );
    const answer = answers[key];
    // Whoever is asked for more than he knows says nothing yet.
    if (answer === undefined) return new Promise<never>(() => {});
    open.delete(key);
    return answer;
  });
  const stop = new AbortController();
  const options = { signal: stop.signal };
  const waiting = client.experimental.tasks.getTaskResult(id, CallToolResultSchema, options);
  waiting.catch(() => {});
  await until('everything was asked', () => open.size === 0);
  await until('the answers are taken', async () => {
    const asked = await questionsOf(client, id);
    return !asked.some((key) => key in answers);
  });
  stop.abort();
}
