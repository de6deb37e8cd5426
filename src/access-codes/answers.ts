/** How the synchronous tools answer, and how they page. */
import { z } from 'zod';
import type { Json } from '../index.ts';

/** A tool result whose text is the JSON of exactly its structured content. */
export function answer(body: { readonly data: Json; readonly meta?: Json }) {
  const text = JSON.stringify(body);
  return { content: [{ type: 'text' as const, text }], structuredContent: body };
}

/** Which page: the arguments of every list. */
export const paging = {
  page: z.int().min(1).max(1_000_000).default(1),
  limit: z.int().min(1).max(100).default(25),
};

export const meta = z.object({
  page: z.int(),
  limit: z.int(),
  total: z.int(),
  has_more: z.boolean(),
});

interface PageRequest {
  readonly page: number;
  readonly limit: number;
}

/** A page as parameters of a statement. */
export function windowOf({ page, limit }: PageRequest): { limit: number; offset: number } {
  return { limit, offset: (page - 1) * limit };
}

export function metaOf({ page, limit }: PageRequest, rows: readonly { readonly total: number }[]) {
  const total = rows[0]?.total ?? 0;
  return { page, limit, total, has_more: page * limit < total };
}

const looks = { readOnlyHint: true, openWorldHint: false };
const adds = { readOnlyHint: false, destructiveHint: false, openWorldHint: false };

/** Hints for clients, as they are true. Spending a code cannot be undone, and repeats nothing. */
export const HINTS = {
  looks: { ...looks, idempotentHint: true },
  adds: { ...adds, idempotentHint: false },
  spends: { ...adds, destructiveHint: true, idempotentHint: true },
};

/** Ends every description, so that nobody waits for a job that does not exist. */
export const AT_ONCE = 'Answers at once; returns no new job_id.';
