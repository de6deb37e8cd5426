/**
 * The codes of a batch, encrypted for its owner's export: AES-256-GCM, bound to the batch and its
 * team, so that a blob that was moved to another row does not open.
 */
import { createCipheriv, createDecipheriv, randomBytes, type KeyObject } from 'node:crypto';
import { CODE_LENGTH } from './codes.ts';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

export interface SealContext {
  readonly key: KeyObject;
  readonly team: string;
  readonly batch: string;
}

/** Nonce, tag and ciphertext in one. */
export function seal(codes: readonly string[], context: SealContext): Uint8Array {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', context.key, nonce).setAAD(boundTo(context));
  const text = Buffer.concat([cipher.update(codes.join(''), 'ascii'), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), text]);
}

/** @throws Error when the blob, its batch or the key is not the one it was sealed with */
export function unseal(sealed: Uint8Array, context: SealContext): string[] {
  const blob = Buffer.from(sealed);
  const decipher = createDecipheriv('aes-256-gcm', context.key, blob.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(boundTo(context));
  decipher.setAuthTag(blob.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
  const parts = [decipher.update(blob.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()];
  const text = Buffer.concat(parts).toString('ascii');
  return Array.from({ length: text.length / CODE_LENGTH }, (_, index) =>
    text.slice(index * CODE_LENGTH, (index + 1) * CODE_LENGTH),
  );
}

function boundTo({ team, batch }: SealContext): Buffer {
  return Buffer.from(`${team}/${batch}`);
}
