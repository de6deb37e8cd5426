/** What arguments that carry text may hold. Hoisted schemas: they are shared by the tools. */
import { z } from 'zod';

/** Control, line-separating and direction-changing characters have no place in a name. */
const UNSEEN = /[\p{Cc}\u2028\u2029\u202A-\u202E\u2066-\u2069]/u;

function isPlainText(text: string): boolean {
  return text.isWellFormed() && !UNSEEN.test(text) && /\S/u.test(text);
}

/** Text that a person chose. */
export function textOf(charactersMin: number, charactersMax: number) {
  return z
    .string()
    .min(charactersMin, `must have at least ${charactersMin} characters`)
    .max(charactersMax, `must have at most ${charactersMax} characters`)
    .refine(isPlainText, 'must be visible text without control characters');
}

/** An id is opaque: one that is malformed is as unknown as any other. */
export const idText = z
  .string()
  .min(1, 'must not be empty')
  .max(100, 'must have at most 100 characters');
