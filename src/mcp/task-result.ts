/**
 * `tasks/result` of 2025-11-25: the one answer that is waited for, however long the job takes. It
 * holds no connection to the store, no lock and no worker; the SDK keeps its stream alive with a
 * comment every 15 s.
 */
import {
  ProtocolError,
  RELATED_TASK_META_KEY,
  type ServerContext,
} from '@modelcontextprotocol/server';
import { JobError } from '../job/errors.ts';
import type { Job } from '../job/job.ts';
import { isFinal } from '../job/states.ts';
import type { Who } from '../job/who.ts';
import { answer } from '../queue/answer.ts';
import { get, unknownJob } from '../queue/get.ts';
import { openQuestions, type Questions } from '../queue/questions.ts';
import { watchOf } from '../queue/watch.ts';
import type { Caller, JobTools } from './job-tools.ts';
import { canBeAsked } from './task-capability.ts';
import { elicitationOf, faultOf, oldResultOf } from './tasks.ts';
import { taskStatus } from './status.ts';
import { AUTHORISE_MS } from './while-allowed.ts';

/** How long a person may take over a form, in milliseconds: as long as a question waits by default. */
const FORM_MS = 86_400_000;

interface Awaited {
  readonly id: string;
  readonly caller: Caller;
  readonly context: ServerContext;
}

/** @throws ProtocolError when the job has no result: it has failed by a fault, or was cancelled */
export async function awaitResult(tools: JobTools, awaited: Awaited): Promise<object> {
  const { id, caller } = awaited;
  const seen = await get(tools.queue, id, caller.who);
  const job = isFinal(seen.status) ? seen : await inItsPlace(tools, awaited);
  if (taskStatus(job) === 'completed') return oldResultOf(job, tools.viewing);
  const { code, message, data } = faultOf(job, tools.viewing);
  throw new ProtocolError(code, message, data);
}

async function inItsPlace(tools: JobTools, awaited: Awaited): Promise<Job> {
  const leave = tools.places.take();
  if (leave === null) {
    const { code, message } = tools.places.refusal;
    throw new ProtocolError(code, message);
  }
  return untilFinal(tools, awaited).finally(leave);
}

async function untilFinal(tools: JobTools, { id, caller, context }: Awaited): Promise<Job> {
  const { signal } = context.mcpReq;
  const { closing } = tools.queue.waits;
  const asked = new Set<string>();
  let wake = () => {};
  const look = () => wake();
  const stop = watchOf(tools.queue.store).watch([id], look);
  // What the wait itself learns of its caller: a token may be revoked meanwhile.
  const again = setInterval(look, AUTHORISE_MS);
  for (const end of [signal, closing]) end.addEventListener('abort', look);
  try {
    for (let { who } = caller; ; who = await stillThere(caller)) {
      const changed = new Promise<void>((resolve) => {
        wake = resolve;
      });
      const job = await get(tools.queue, id, who);
      if (isFinal(job.status)) return job;
      // Who has left reads no answer.
      if (signal.aborted || closing.aborted) throw goingAway();
      askFor(tools, { job, asked, caller, context });
      await changed;
    }
  } finally {
    stop();
    clearInterval(again);
    for (const end of [signal, closing]) end.removeEventListener('abort', look);
  }
}

function goingAway(): JobError {
  return new JobError('TIMEOUT', {
    message: 'The server goes away; the task goes on.',
    remediation: 'Call tasks/result again in a few seconds.',
  });
}

async function stillThere({ who, again }: Caller): Promise<Who> {
  return again === undefined ? who : ((await again()) ?? unknownJob());
}

/** Where the session has a way to its client, open questions are asked on the stream of the wait. */
function askFor(
  tools: JobTools,
  given: {
    readonly job: Job;
    readonly asked: Set<string>;
    readonly caller: Caller;
    readonly context: ServerContext;
  },
): void {
  const { job, asked, caller, context } = given;
  if (!canBeAsked(tools.mcp, context) || !isOwn(job, caller.who)) return;
  const open: Questions = openQuestions(job);
  for (const [key, question] of Object.entries(open)) {
    if (asked.has(key)) continue;
    asked.add(key);
    const _meta = { [RELATED_TASK_META_KEY]: { taskId: job.id } };
    const params = { ...elicitationOf(question), _meta } as Parameters<
      typeof context.mcpReq.elicitInput
    >[0];
    context.mcpReq
      .elicitInput(params, {
        relatedRequestId: context.mcpReq.id,
        timeout: FORM_MS,
        signal: context.mcpReq.signal,
      })
      .then((response) => answer(tools.queue, job.id, { ...caller, given: { [key]: response } }))
      .catch((error: unknown) => {
        const fields = { request_id: caller.requestId, job_id: job.id, err: error };
        tools.queue.log.info(fields, 'a question was not answered by the client');
      });
  }
}

/** Seeing the jobs of the team gives no right to answer them. */
function isOwn(job: Job, who: Who): boolean {
  return who.owner === job.owner && who.team === job.team;
}
