import type { ServerContext } from '@modelcontextprotocol/server';
import type { Job } from '../job/job.ts';

/**
 * Sends a job's progress to a caller that waits, if it gave a progress token. MCP wants every
 * notification to be further than the one before, so what stands still or falls back (a second
 * run) is not sent.
 *
 * @returns what is to be told of the job, or undefined without a token
 */
export function progressNotices({ mcpReq }: ServerContext): ((job: Job) => void) | undefined {
  const progressToken = mcpReq._meta?.progressToken;
  if (progressToken === undefined) return undefined;
  let sent = -1;
  return ({ progress }) => {
    if (progress === null || progress.done <= sent) return;
    sent = progress.done;
    const { total, message } = progress;
    const params = {
      progressToken,
      progress: sent,
      ...(total !== null && { total }),
      ...(message !== null && { message }),
    };
    // Who has left hears nothing, and the wait ends by itself.
    mcpReq.notify({ method: 'notifications/progress', params }).catch(() => {});
  };
}
