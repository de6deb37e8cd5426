import { JobError } from '../job/errors.ts';
import type { ToolResult } from './tool-answer.ts';

/**
 * The longest answer of a tool, in bytes of its JSON: 128 KiB. What is also the text of the answer
 * counts once.
 */
const ANSWER_BYTES_MAX = 131_072;

/**
 * Hold an answer to the bound. Nothing is cut: what is too long is not sent at all.
 *
 * @throws JobError ANSWER_TOO_LARGE
 */
export function withinSize(result: ToolResult, tool: string): ToolResult {
  const bytes = bytesOf(result);
  if (bytes <= ANSWER_BYTES_MAX) return result;
  throw new JobError('ANSWER_TOO_LARGE', {
    message: `The answer of "${tool}" has ${bytes} bytes; at most ${ANSWER_BYTES_MAX} are sent in one. The tool did run.`,
    context: { bytes, bytes_max: ANSWER_BYTES_MAX },
  });
}

function bytesOf(result: ToolResult): number {
  const { content, structuredContent } = result as {
    readonly content?: readonly { readonly type: string; readonly text?: string }[];
    readonly structuredContent?: unknown;
  };
  const [first, ...more] = content ?? [];
  if (structuredContent === undefined || first?.type !== 'text' || first.text === undefined) {
    return Buffer.byteLength(JSON.stringify(result));
  }
  // Our own answers: the text is the JSON of the structured content, so nothing is made twice.
  const others = more.length === 0 ? 0 : Buffer.byteLength(JSON.stringify(more));
  return Buffer.byteLength(first.text) + others;
}
