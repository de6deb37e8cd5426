/** What arguments that carry text may hold. Hoisted schemas: they are shared by the tools. */
import { z } from 'zod';

/**
 * Characters that nobody sees have no place in a name: people read past what is written in them,
 * and models do not.
 */
const UNSEEN = /[\p{Cc}\p{Cf}\u2028\u2029\u115F\u1160\u3164\uFFA0]|[\u{E0100}-\u{E01EF}]/u;

function isPlainText(text: string): boolean {
  return text.isWellFormed() && !UNSEEN.test(text) && /\S/u.test(text);
}

/** Text that a person chose. */
export function textOf(charactersMin: number, charactersMax: number) {
  return z
    .string()
    .min(charactersMin, `must have at least ${charactersMin} characters`)
    .max(charactersMax, `must have at most ${charactersMax} characters`)
    .refine(
      isPlainText,
      'must be visible text without control, zero-width and direction characters',
    );
}

/** An id is opaque: one that is malformed is as unknown as any other. */
export const idText = z
  .string()
  .min(1, 'must not be empty')
  .max(100, 'must have at most 100 characters');
