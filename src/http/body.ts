/** The body of a request, read once and held to its bounds before anything looks into it. */
import type { IncomingMessage } from 'node:http';
import { JobError } from '../job/errors.ts';

/** How deep objects and arrays may be nested. */
const NESTING_MAX = 64;
/** A body that is too large is read on, and forgotten, to this many times the bound, so that its
 * sender gets to read the answer. */
const DRAIN_FACTOR = 16;

/**
 * @returns the text; an empty one when there was no body
 * @throws JobError PAYLOAD_TOO_LARGE
 */
export async function readBody(incoming: IncomingMessage, bytesMax: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= bytesMax) chunks.push(chunk);
    else if (bytes > bytesMax * DRAIN_FACTOR) break;
  }
  if (bytes > bytesMax) {
    throw new JobError('PAYLOAD_TOO_LARGE', {
      message: `The request body is larger than ${bytesMax} bytes.`,
      context: { bytes_max: bytesMax },
    });
  }
  const body = chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks);
  checkNesting(body);
  // As everybody after us decodes it: without a byte order mark, and never refused.
  return new TextDecoder().decode(body);
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPENING = new Set([0x5b, 0x7b]);
const CLOSING = new Set([0x5d, 0x7d]);

/** Whether it is JSON at all is not asked here. */
function checkNesting(json: Buffer): void {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < json.length; i += 1) {
    const byte = json[i] ?? 0;
    if (byte === BACKSLASH && inString) i += 1;
    else if (byte === QUOTE) inString = !inString;
    else if (!inString && OPENING.has(byte)) {
      depth += 1;
      if (depth > NESTING_MAX) {
        throw new JobError('PAYLOAD_TOO_LARGE', {
          message: `The request body is nested more than ${NESTING_MAX} levels deep.`,
          context: { nesting_max: NESTING_MAX },
        });
      }
    } else if (!inString && CLOSING.has(byte)) depth -= 1;
  }
}
