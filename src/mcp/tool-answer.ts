/** How a tool answers: the text that a model reads is the JSON of exactly the structured content. */
import {
  isInputRequiredResult,
  ProtocolError,
  UrlElicitationRequiredError,
  type CallToolResult,
  type InputRequiredResult,
} from '@modelcontextprotocol/server';
import { JobError, toErrorBody, toFailure, type Failure } from '../job/errors.ts';
import type { Logger } from '../job/log.ts';

/** What an error answer needs to know of the call it belongs to. */
export interface Answering {
  readonly requestId: string;
  /** Address of the page of error codes, without the `#CODE`. */
  readonly docsUrl: string;
  readonly log: Logger;
  /** Told of every error that a caller is answered with. */
  readonly onRefused?: (failure: Failure) => void;
}

export type ToolResult = CallToolResult | InputRequiredResult;

/** A plain object becomes the answer; what is a tool result already is left as it is. */
export function toToolResult(value: unknown): ToolResult {
  const given = (value ?? {}) as Partial<CallToolResult>;
  if (isInputRequiredResult(given) || 'content' in given) return given as ToolResult;
  if (given.structuredContent !== undefined) {
    return { ...given, content: [jsonText(given.structuredContent)] };
  }
  return { content: [jsonText(given)], structuredContent: given };
}

/**
 * The standard envelope as a tool's answer. What is no `JobError` is logged, and the caller reads
 * `INTERNAL_ERROR` without detail.
 */
export function toErrorResult(error: unknown, tool: string, answering: Answering): CallToolResult {
  // The SDK's way for a tool to send the user to a page; it has to reach the SDK as it is.
  if (error instanceof UrlElicitationRequiredError) throw error;
  const { requestId, docsUrl, log } = answering;
  if (!(error instanceof JobError || error instanceof ProtocolError)) {
    log.error({ request_id: requestId, tool, err: error }, 'tool failed');
  }
  const failure = toFailure(error, requestId);
  answering.onRefused?.(failure);
  const structuredContent = { error: toErrorBody(failure, docsUrl) };
  return { isError: true, content: [jsonText(structuredContent)], structuredContent };
}

function jsonText(value: unknown): { type: 'text'; text: string } {
  return { type: 'text', text: JSON.stringify(value) };
}
