/**
 * What a code looks like: 16 characters of Crockford's base 32, 80 random bits. People may type it
 * in lower case, with hyphens and spaces, and with O, I and L where 0 and 1 were meant.
 */
import { createHmac, randomBytes, type KeyObject } from 'node:crypto';

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const CANONICAL = /^[0-9A-HJKMNP-TV-Z]{16}$/;

/** How many characters a code has. */
export const CODE_LENGTH = 16;

/** Fresh codes from the system's random source. */
export function makeCodes(quantity: number): string[] {
  const bytes = randomBytes(quantity * CODE_LENGTH);
  return Array.from({ length: quantity }, (_, index) => {
    let code = '';
    // 256 is a multiple of 32, so the low five bits of a byte are without bias.
    for (let i = 0; i < CODE_LENGTH; i += 1) {
      code += ALPHABET[(bytes[index * CODE_LENGTH + i] ?? 0) & 31];
    }
    return code;
  });
}

/** The canonical form of what a person typed, or null when it cannot be a code. */
export function normaliseCode(typed: string): string | null {
  if (!/^[0-9A-Za-z -]{1,64}$/.test(typed)) return null;
  const code = typed
    .replaceAll(/[ -]/g, '')
    .toUpperCase()
    .replaceAll('O', '0')
    .replaceAll(/[IL]/g, '1');
  return CANONICAL.test(code) ? code : null;
}

/** What is stored to find a code by: without the key it says nothing about the code. */
export function macOf(code: string, key: KeyObject): Buffer {
  return createHmac('sha256', key).update(code).digest();
}

/** How a code is shown everywhere but in its owner's export. */
export function maskOf(code: { readonly first4: string; readonly last4: string }): string {
  return `${code.first4}****${code.last4}`;
}
