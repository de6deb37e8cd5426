import { JobError } from '../job/errors.ts';
import type { Job } from '../job/job.ts';
import type { Who } from '../job/who.ts';
import type { QueueContext, ShownStatus } from './context.ts';

export interface ListRequest {
  readonly status?: ShownStatus | undefined;
  readonly tool?: string | undefined;
  /** 1..100. Default 25. */
  readonly limit?: number | undefined;
  /** What a page before this one gave as `nextCursor`. */
  readonly cursor?: string | undefined;
  /** Where the caller was given it. Default `meta.next_cursor`. */
  readonly cursorName?: string;
}

export interface Page {
  /** Newest first. */
  readonly jobs: readonly Job[];
  readonly limit: number;
  /** Null on the last page. */
  readonly nextCursor: string | null;
}

/**
 * The jobs that a caller may see, newest first, a page at a time. Jobs that are submitted while
 * somebody leafs through the pages neither repeat nor hide others.
 *
 * @throws JobError VALIDATION_FAILED for a cursor that no page has given
 */
export async function list(context: QueueContext, request: ListRequest, who: Who): Promise<Page> {
  const limit = request.limit ?? 25;
  const jobs = await context.store.list({
    who,
    status: request.status ?? null,
    tool: request.tool ?? null,
    before: readCursor(request),
    limit: limit + 1,
  });
  const shown = jobs.slice(0, limit);
  const last = shown.at(-1);
  return { jobs: shown, limit, nextCursor: jobs.length > limit && last ? cursorOf(last) : null };
}

function cursorOf(job: Pick<Job, 'createdAt' | 'id'>): string {
  return Buffer.from(`${job.createdAt}:${job.id}`).toString('base64url');
}

function readCursor({ cursor, cursorName = 'meta.next_cursor' }: ListRequest) {
  if (cursor === undefined) return null;
  const found = /^(\d{1,15}):([\w-]{1,64})$/.exec(Buffer.from(cursor, 'base64url').toString());
  const [, createdAt, id] = found ?? [];
  if (createdAt === undefined || id === undefined) {
    throw new JobError('VALIDATION_FAILED', {
      message: `The arguments are not valid: cursor: must be ${cursorName} of an earlier page, unchanged.`,
      fields: { cursor: [`must be ${cursorName} of an earlier page, unchanged`] },
    });
  }
  return { createdAt: Number(createdAt), id };
}
