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

/**
 * What tools say of their answers is kept short, for every client reads it all: the members that a
 * caller goes on with, and plain numbers, because zod spells out the bounds of an integer.
 */
export const count = z.number();

export const meta = z.looseObject({ total: count, has_more: z.boolean() });

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

/** Hints for clients, as they are true. Spending a code cannot be undone, and repeats nothing. */
export const HINTS = {
  looks: { readOnlyHint: true, openWorldHint: false },
  adds: {
    readOnlyHint: false,
    destructiveHint: false,
    idempotentHint: false,
    openWorldHint: false,
  },
  spends: {
    readOnlyHint: false,
    destructiveHint: true,
    idempotentHint: true,
    openWorldHint: false,
  },
};

/** Ends every description, so that nobody waits for a job that does not exist. */
export const AT_ONCE = 'Answers at once; returns no new job_id.';
