/**
 * One tool as it is put on a server: its arguments are checked by us, its errors become the
 * standard envelope, and no answer takes longer than a request may be held.
 */
import {
  ProtocolError,
  ProtocolErrorCode,
  UrlElicitationRequiredError,
  type ServerContext,
  type ToolAnnotations,
} from '@modelcontextprotocol/server';
import { JobError } from '../job/errors.ts';
import { parseInput } from '../job/schema.ts';
import { timeout, within } from '../queue/within.ts';
import { withinSize } from './answer-size.ts';
import { Advertised, inputOf, outputOf, type GivenSchema } from './advertise.ts';
import { isModern } from './task-capability.ts';
import { toErrorResult, toToolResult, type Answering, type ToolResult } from './tool-answer.ts';
import { replaceAnswer, sentTo } from './tool-call-seam.ts';

/**
 * How long a tool may take, in milliseconds: longer than the longest wait for a job, and below the
 * 30 s that a request can be held for.
 */
const TOOL_MS = 28_000;

/** As `McpServer.registerTool` takes it. */
export interface ToolConfig {
  readonly title?: string;
  readonly description?: string;
  readonly inputSchema?: GivenSchema | undefined;
  readonly outputSchema?: GivenSchema | undefined;
  readonly annotations?: ToolAnnotations;
  /** Whether it queues a job, so that a task of 2025-11-25 may take the place of its answer. Default false. */
  readonly givesTasks?: boolean;
}

/** Called with the parsed arguments, or with what was sent if the input schema is `Advertised`. */
export type ToolHandler = (args: never, context: ServerContext) => unknown;

export interface WiredTool {
  readonly config: ToolConfig & {
    readonly inputSchema: Advertised;
    readonly outputSchema?: Advertised;
  };
  readonly handler: (args: unknown, context: ServerContext) => Promise<ToolResult>;
}

/** @param answering facts of the call, for the answer that tells of an error */
export function wireTool(
  name: string,
  tool: { readonly config: ToolConfig; readonly handler: ToolHandler },
  answering: (context: ServerContext) => Answering,
): WiredTool {
  const { inputSchema, outputSchema, givesTasks = false, ...config } = tool.config;
  const input = inputOf(inputSchema, name);
  const late = givesTasks ? lateSubmission(name) : timeout(`The tool "${name}"`);
  const call = tool.handler as (args: unknown, context: ServerContext) => unknown;
  const run = async (parsedBySdk: unknown, context: ServerContext): Promise<unknown> => {
    const known = sentTo(context);
    if (known?.wantsTask && !givesTasks && !isModern(context)) throw noTasks(name);
    const sent = known === null ? (parsedBySdk ?? {}) : known.args;
    if (input.schema instanceof Advertised) return await call(sent, context);
    const args: unknown = await parseInput(input.schema, input.advertised.json, sent);
    // The SDK gives a tool without an input schema the context alone.
    return inputSchema === undefined
      ? await (call as (context: ServerContext) => unknown)(context)
      : await call(args, context);
  };
  return {
    config: {
      ...config,
      inputSchema: input.advertised,
      ...(outputSchema && { outputSchema: outputOf(outputSchema, name) }),
    },
    handler: async (parsedBySdk, context) => {
      try {
        const value = await within(run(parsedBySdk, context), TOOL_MS, late);
        return withinSize(toToolResult(value), name);
      } catch (error) {
        if (isRpcError(error)) {
          // The SDK would make the tool's answer of it; thrown behind the SDK, it stays what it is.
          replaceAnswer(context, () => {
            throw error;
          });
        }
        return refusal(error, name, answering(context));
      }
    },
  };
}

/** It goes on unheard, and may queue its job yet: sent again without a key it would be a second one. */
function lateSubmission(name: string): (seconds: number) => JobError {
  return (seconds) =>
    new JobError('STORE_UNKNOWN', {
      message: `The tool "${name}" took longer than ${seconds} s; whether it queues a job is not known.`,
    });
}

/** What 2025-11-25 asks for where a tool does not support tasks; in 2026-07-28 `task` means nothing. */
function noTasks(name: string): ProtocolError {
  const message = `Method not found: the tool "${name}" gives no task. Call it without task.`;
  return new ProtocolError(ProtocolErrorCode.MethodNotFound, message);
}

/** What a tool means for the protocol, not for the model. URLs have a way of their own in the SDK. */
function isRpcError(error: unknown): boolean {
  return error instanceof ProtocolError && !(error instanceof UrlElicitationRequiredError);
}

function refusal(error: unknown, name: string, answering: Answering): ToolResult {
  const answer = toErrorResult(error, name, answering);
  try {
    return withinSize(answer, name);
  } catch (tooLarge) {
    return toErrorResult(tooLarge, name, answering);
  }
}
