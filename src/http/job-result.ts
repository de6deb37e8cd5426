/**
 * `GET /jobs/<job_id>/result`: the whole result of a job, for results that are too long for a
 * tool's answer. Nobody reads here what `get_job_status` would not show him.
 */
import type { Context, Hono } from 'hono';
import { JobError } from '../job/errors.ts';
import { can } from '../job/who.ts';
import { resultOf, type Viewing } from '../mcp/job-view.ts';
import { shownStatus } from '../mcp/status.ts';
import type { QueueContext } from '../queue/context.ts';
import { getWhole } from '../queue/get.ts';
import type { Identify } from '../team/identify.ts';

export interface JobResultOptions {
  readonly queue: QueueContext;
  readonly viewing: Viewing;
  readonly identify: Identify;
  readonly requiredAbility: string | null;
}

const PATH = '/jobs/:id/result';
const PROTECTED = { 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' };

/** Answers with the JSON of the result itself; errors are thrown as `JobError`. */
export function registerJobResult(app: Hono, options: JobResultOptions): void {
  const { queue, viewing, identify, requiredAbility } = options;
  app.get(PATH, async (context: Context<object, typeof PATH>) => {
    const who = await identify(context.req.raw);
    if (who === null) {
      context.header('WWW-Authenticate', 'Bearer');
      return context.text(howToFetch(viewing.publicUrl), 401, PROTECTED);
    }
    if (requiredAbility !== null && !can(who, requiredAbility)) {
      throw new JobError('TOKEN_MISSING_ABILITY', {
        context: { required_ability: requiredAbility },
      });
    }
    const job = await getWhole(queue, context.req.param('id'), who);
    if (job.status !== 'completed') throw noResult(shownStatus(job));
    const body = JSON.stringify(resultOf(job, viewing));
    return context.body(body, 200, { ...PROTECTED, 'Content-Type': 'application/json' });
  });
  app.all(PATH, () => {
    throw new JobError('METHOD_NOT_ALLOWED', {
      remediation: 'Send GET.',
      context: { allow: 'GET' },
    });
  });
}

function noResult(status: string): JobError {
  return new JobError('CONFLICT', {
    message: `The job has no result: its status is ${status}.`,
    remediation:
      status === 'failed'
        ? 'Read the error of the job with get_job_status.'
        : 'Wait with get_job_status until status is completed.',
    context: { status },
  });
}

function howToFetch(publicUrl: string): string {
  return `This is the result of a job. It needs a token of the owner of the job.

With the token in the environment (export MCP_ASYNC_JOBS_TOKEN=mpt_...):

  curl -fsS -H "Authorization: Bearer $MCP_ASYNC_JOBS_TOKEN" ${publicUrl}/jobs/<job_id>/result
`;
}
