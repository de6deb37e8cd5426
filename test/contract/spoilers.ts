/**
 * For each requirement, servers that do not hold it: each spoils the one answer that the
 * requirement is about.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { isFinal, POLL, PREVIEW, SUBMIT, UNKNOWN_JOB } from './fixture.ts';
import type { Reply, Spoiler } from './proxy.ts';
import type { RequirementId } from './requirements.ts';
import type { Target } from './target.ts';
import { callTool, fieldsOf, type Fields, type Tool } from './wire.ts';

/** What a spoiler has to know: the tokens and limits of the target, and the server behind it. */
export interface Behind {
  readonly target: Target;
  readonly serverUrl: () => string;
}

/** Makes a spoiler, which may remember what it has seen. */
type Make = (behind: Behind) => Spoiler;

type Change = (data: Fields, args: Fields) => Fields;

/** The reply with another body; the text that a model reads follows. */
function withBody(reply: Reply, body: Fields): Reply {
  const result = fieldsOf(reply.message, 'result');
  const content = [{ type: 'text', text: JSON.stringify(body) }];
  return {
    ...reply,
    message: { ...reply.message, result: { ...result, content, structuredContent: body } },
  };
}

const bodyOf = (reply: Reply): Fields =>
  fieldsOf(fieldsOf(reply.message, 'result'), 'structuredContent');

/** Change the body of a tool's successes. */
const onBody =
  (tool: string, change: Change): Spoiler =>
  async (call, forward) => {
    const reply = await forward();
    if (call.tool !== tool || fieldsOf(reply.message, 'result')['isError'] === true) return reply;
    return withBody(reply, change(bodyOf(reply), call.args));
  };

/** Change `data` of a tool's successes. */
const onData = (tool: string, change: Change): Spoiler =>
  onBody(tool, (body, args) => ({ ...body, data: change(fieldsOf(body, 'data'), args) }));

const onSubmission =
  (change: Change): Make =>
  () =>
    onData(SUBMIT, change);

const onPoll =
  (change: Change): Make =>
  () =>
    onData(POLL, change);

/** Change the first poll of each job, however far the job is by then. */
const onFirstPoll =
  (change: Change): Make =>
  () => {
    const polled = new Set<unknown>();
    return onData(POLL, (data, args) => {
      if (polled.has(data['job_id'])) return data;
      polled.add(data['job_id']);
      return change(data, args);
    });
  };

/** Change polls of ended jobs. */
const onFinal = (change: Change): Make =>
  onPoll((data, args) => (isFinal(data) ? change(data, args) : data));

/** Change `data.result` of completed jobs. */
const onResult = (change: (result: Fields) => Fields): Make =>
  onFinal((data) => ({ ...data, result: change(fieldsOf(data, 'result')) }));

/** Change the list of tools. */
const onTools =
  (change: (tools: readonly Tool[]) => readonly Tool[]): Make =>
  () =>
  async (call, forward) => {
    const reply = await forward();
    if (call.method !== 'tools/list') return reply;
    const result = fieldsOf(reply.message, 'result');
    const tools = change(result['tools'] as readonly Tool[]);
    return { ...reply, message: { ...reply.message, result: { ...result, tools } } };
  };

const describe = (name: string, change: (description: string) => string): Make =>
  onTools((tools) =>
    tools.map((tool) =>
      tool.name === name ? { ...tool, description: change(tool.description) } : tool,
    ),
  );

/** Poll in another's name: the token of `whose` sees what the main token sees. */
const asMain =
  (whose: 'otherOwner' | 'otherTeam' | 'stranger'): Make =>
  ({ target }) =>
  async (call, forward) => {
    const reply = await forward();
    const refused = fieldsOf(reply.message, 'result')['isError'] === true;
    if (call.tool !== POLL || call.token !== target.tokens[whose] || !refused) return reply;
    return forward({ token: target.token });
  };

/** Polls that `forgets` accepts are answered as if the job did not exist. */
const losesJobs =
  (forgets: (token: string, target: Target) => boolean): Make =>
  ({ target }) =>
  (call, forward) =>
    call.tool === POLL && forgets(call.token, target)
      ? forward({ args: { job_id: UNKNOWN_JOB } })
      : forward();

const without = (fields: Fields, name: string): Fields => {
  const { [name]: _, ...rest } = fields;
  return rest;
};

const later = (time: unknown, ms: number): string =>
  `${new Date(Date.parse(String(time)) + ms).toISOString().slice(0, 19)}Z`;

const holdsTheAnswer: Make =
  ({ target }) =>
  async (call, forward) => {
    if (call.tool === 'list_plans') await pause((target.budgetMs ?? 0) + 500);
    return forward();
  };

const worksBeforeItAnswers: Make =
  ({ target, serverUrl }) =>
  async (call, forward) => {
    const reply = await forward();
    if (call.tool !== SUBMIT) return reply;
    const jobId = fieldsOf(bodyOf(reply), 'data')['job_id'];
    const until = Date.now() + (target.atOnceMs ?? 0) + 500;
    for (let done = false; !done && Date.now() < until; await pause(50)) {
      const peer = { url: serverUrl(), token: call.token };
      const { body } = await callTool(peer, POLL, { job_id: jobId });
      done = isFinal(fieldsOf(body, 'data'));
    }
    return reply;
  };

const changesWhatHasEnded: Make = () => {
  let polls = 0;
  return onData(POLL, (data) => {
    if (!isFinal(data)) return data;
    polls += 1;
    return polls > 2 ? { ...data, completed_at: later(data['completed_at'], 60_000) } : data;
  });
};

const countsThePolls: Make = () => {
  let polls = 0;
  return onData(POLL, (data) => {
    polls += 1;
    return polls > 60 ? { ...data, started_at: '2026-05-18T10:05:00Z' } : data;
  });
};

const goesBackToRunning: Make = () => {
  const ended = new Set<unknown>();
  return onData(POLL, (data) => {
    if (!isFinal(data)) return data;
    if (ended.has(data['job_id'])) return { ...data, status: 'running' };
    ended.add(data['job_id']);
    return data;
  });
};

const limitsTheCadence: Make = () => {
  let polls = 0;
  return async (call, forward) => {
    if (call.tool === POLL) polls += 1;
    if (call.tool !== POLL || polls % 10 !== 0) return forward();
    const error = { code: 'RATE_LIMITED', message: 'Too many requests.' };
    return { status: 429, headers: { 'retry-after': '1' }, message: { error } };
  };
};

const givesAnIdTwice: Make = () => {
  let first: unknown;
  return onData(SUBMIT, (data) => {
    first ??= data['job_id'];
    return { ...data, job_id: first };
  });
};

const bindsJobsToSessions: Make = () => {
  let sessions = 0;
  const madeIn = new Map<unknown, string | null>();
  return async (call, forward) => {
    const jobId = call.args['job_id'];
    const isForeign = call.tool === POLL && madeIn.get(jobId) !== call.session;
    const reply = await forward(isForeign ? { args: { job_id: UNKNOWN_JOB } } : {});
    if (call.tool === SUBMIT) madeIn.set(fieldsOf(bodyOf(reply), 'data')['job_id'], call.session);
    if (call.method !== 'initialize') return reply;
    sessions += 1;
    return { ...reply, headers: { ...reply.headers, 'mcp-session-id': `session-${sessions}` } };
  };
};

const tellsThatAJobExists: Make = () => async (call, forward) => {
  const reply = await forward();
  const refused = fieldsOf(reply.message, 'result')['isError'] === true;
  if (call.tool !== POLL || !refused || call.args['job_id'] === UNKNOWN_JOB) return reply;
  const body = bodyOf(reply);
  const error = { ...fieldsOf(body, 'error'), message: 'This job belongs to somebody else.' };
  return withBody(reply, { ...body, error });
};

const handle = { job_id: UNKNOWN_JOB, status: 'queued', enqueued_at: '2026-05-18T10:05:00Z' };

export const SPOILERS: Readonly<Record<RequirementId, Readonly<Record<string, Make>>>> = {
  R1: { 'holds one answer for too long': holdsTheAnswer },
  R2: { 'makes a job of a preview': () => onData(PREVIEW, () => handle) },
  R3: {
    'hands out a job_id beside a final answer': () =>
      onData('create_plan', (data) => ({ ...data, job_id: UNKNOWN_JOB })),
  },
  R4: {
    'is silent about the job_id': describe('create_plan', () => 'Makes a plan. Answers at once.'),
    'does not announce the job_id': describe(SUBMIT, (text) => text.replaceAll('job_id', 'handle')),
  },
  R5: {
    'makes a single code at once': onSubmission((data, args) =>
      args['quantity'] === 1 ? { count: 1, batch_id: 'btc_01HX0000000000000000000000' } : data,
    ),
  },
  R6: {
    'answers when the work is done': worksBeforeItAnswers,
    'has codes before any work': () =>
      onBody('list_access_codes', (body) => ({ ...body, meta: { total: 1_000 } })),
  },
  R7: { 'leaves out enqueued_at': onSubmission((data) => without(data, 'enqueued_at')) },
  R8: { 'answers with running': onSubmission((data) => ({ ...data, status: 'running' })) },
  R9: {
    'writes the id in lower case': onSubmission((data) => ({
      ...data,
      job_id: String(data['job_id']).toLowerCase(),
    })),
  },
  R10: {
    'adds milliseconds': onSubmission((data) => ({
      ...data,
      enqueued_at: String(data['enqueued_at']).replace('Z', '.123Z'),
    })),
    'tells the time of another zone': onSubmission((data) => ({
      ...data,
      enqueued_at: later(data['enqueued_at'], 3_600_000),
    })),
  },
  R11: { 'loses the job': losesJobs(() => true) },
  R12: { 'leaves out the status': onPoll((data) => without(data, 'status')) },
  R13: { 'echoes another id': onPoll((data) => ({ ...data, job_id: UNKNOWN_JOB })) },
  R14: {
    'counts in words': onResult((result) => ({ ...result, count: String(result['count']) })),
    'leaves out the batch': onResult((result) => without(result, 'batch_id')),
  },
  R15: {
    'counts one too many': onResult((result) => ({
      ...result,
      count: Number(result['count']) + 1,
    })),
  },
  R16: {
    'names batches otherwise': onResult((result) => ({
      ...result,
      batch_id: String(result['batch_id']).replace('btc_', 'bat_'),
    })),
    'gives two batches one id': onResult((result) => ({
      ...result,
      batch_id: 'btc_01HX0000000000000000000000',
    })),
  },
  R17: { 'changes what has ended': changesWhatHasEnded },
  R18: { 'changes with the polls': countsThePolls },
  R19: {
    'shows queued as running': onPoll((data) =>
      data['status'] === 'queued' ? { ...data, status: 'running' } : data,
    ),
  },
  R20: {
    'shows running as queued': onPoll((data) =>
      data['status'] === 'running' ? { ...data, status: 'queued' } : data,
    ),
  },
  R21: {
    'puts the output elsewhere': onFinal((data) => ({
      ...data,
      result: null,
      output: data['result'],
    })),
  },
  R22: {
    'leaves out docs_url': onFinal((data) => ({
      ...data,
      error: without(fieldsOf(data, 'error'), 'docs_url'),
    })),
    'shows failed as completed': onFinal((data) => ({ ...data, status: 'completed' })),
  },
  R23: {
    'has a fifth status': onFirstPoll((data) => ({ ...data, status: 'waiting' })),
    'goes back to running': goesBackToRunning,
  },
  R24: {
    'never slows its advice': onPoll((data) => ({ ...data, poll_after_ms: 1_000 })),
    'gives no advice': onSubmission((data) => without(data, 'poll_after_ms')),
  },
  R25: { 'refuses the tenth poll': limitsTheCadence },
  R26: {
    'takes a minute': onFinal((data) => ({
      ...data,
      completed_at: later(data['completed_at'], 59_000),
    })),
  },
  R27: { 'gives an id twice': givesAnIdTwice },
  R28: { 'binds jobs to sessions': bindsJobsToSessions },
  R29: {
    'shows jobs of another owner': asMain('otherOwner'),
    'hides jobs from a second token': losesJobs((token, { tokens }) => token === tokens.sameOwner),
  },
  R30: { 'shows jobs of another team': asMain('otherTeam') },
  R31: {
    'shows jobs to strangers': asMain('stranger'),
    'tells that a job exists': tellsThatAJobExists,
  },
  R32: { 'unwraps data': () => onBody(PREVIEW, (body) => fieldsOf(body, 'data')) },
  R33: {
    'has a result and an error': onFinal((data) => ({
      ...data,
      error: { code: 'INTERNAL_ERROR' },
    })),
    'has a result too early': onFirstPoll((data) => ({ ...data, status: 'running', result: {} })),
  },
  R34: {
    'foretells no cost': () => onData(PREVIEW, (data) => ({ ...data, will_bill_overage: false })),
    'has no preview': onTools((tools) => tools.filter(({ name }) => name !== PREVIEW)),
    'does not point to the preview': describe(SUBMIT, (text) => text.replaceAll(PREVIEW, 'it')),
  },
};
