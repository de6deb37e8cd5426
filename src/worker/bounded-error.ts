/**
 * The error of a handler, brought within bounds before it is kept: every later poll of the job
 * carries it, and one that is too long or no JSON could never be written or answered.
 */
import { JobError } from '../job/errors.ts';
import { whyNotJson, type Json } from '../job/json.ts';

const TEXT_MAX = 2_000;
/** Bytes of JSON of `fields` and of `context`, each. */
const FACTS_BYTES_MAX = 16_384;

/** The same error where it is within bounds; else texts end in `…`, and facts say what they were. */
export function boundedError(error: JobError): JobError {
  const { code, message, remediation, context, cause } = error;
  const fields = error.fields && facts(error.fields);
  const kept = facts(context) ?? { retryable: context['retryable'] === true, omitted: 'context' };
  return new JobError(cut(code, 64), {
    message: cut(message, TEXT_MAX),
    remediation: cut(remediation, TEXT_MAX),
    ...(fields && { fields }),
    context: fields === null ? { ...kept, omitted_fields: true } : kept,
    cause,
  });
}

function cut(text: unknown, max: number): string {
  const whole = String(text);
  return whole.length > max ? `${whole.slice(0, max - 1)}…`.toWellFormed() : whole;
}

/** @returns null when it cannot be kept */
function facts<T extends Readonly<Record<string, Json | readonly string[]>>>(given: T): T | null {
  if (whyNotJson(given, 'context') !== null) return null;
  return Buffer.byteLength(JSON.stringify(given)) > FACTS_BYTES_MAX ? null : given;
}
