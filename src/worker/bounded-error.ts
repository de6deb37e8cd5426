/**
 * The error of a handler, brought within bounds before it is kept: every later poll of the job
 * carries it, and one that is no JSON could never be written. (Its texts are cut in `toFailure`.)
 */
import { JobError } from '../job/errors.ts';
import { whyNotJson } from '../job/json.ts';

/** Bytes of JSON of `fields` and of `context`, each. */
const FACTS_BYTES_MAX = 16_384;

/** The same error; facts that cannot be kept are left out, and named as left out. */
export function boundedError(error: JobError): JobError {
  const { code, message, remediation, fields, context, cause } = error;
  const [hasFields, hasContext] = [canBeKept(fields ?? {}), canBeKept(context)];
  if (hasFields && hasContext) return error;
  return new JobError(code, {
    message,
    remediation,
    ...(fields && hasFields && { fields }),
    context: {
      ...(hasContext ? context : { retryable: context['retryable'] === true }),
      omitted: [...(hasFields ? [] : ['fields']), ...(hasContext ? [] : ['context'])],
    },
    cause,
  });
}

function canBeKept(facts: object): boolean {
  if (whyNotJson(facts, 'facts') !== null) return false;
  return Buffer.byteLength(JSON.stringify(facts)) <= FACTS_BYTES_MAX;
}
