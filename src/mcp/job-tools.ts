/**
 * The tools of asynchronous jobs: one for each definition, which queues, and two that look.
 */
import type { McpServer, RegisteredTool, ServerContext } from '@modelcontextprotocol/server';
import { z } from 'zod';
import type { AnyDefinition } from '../job/definition.ts';
import type { Who } from '../job/who.ts';
import type { QueueContext } from '../queue/context.ts';
import { list, type ListRequest } from '../queue/list.ts';
import { NeedsAnswers, submit } from '../queue/submit.ts';
import { WAIT_SECONDS_MAX } from '../queue/wait.ts';
import { advertise, compact, type Advertised } from './advertise.ts';
import { LOOKS, object, statuses, status, text, textOrNull, whole } from './answer-schemas.ts';
import { takeIdempotencyKey, withIdempotencyKey } from './idempotency-key.ts';
import { registerControlTools } from './job-control-tools.ts';
import { jobSummary, type Viewing } from './job-view.ts';
import { submissionOutput } from './output-schema.ts';
import type { Places } from './places.ts';
import { STATUS, statusHandler } from './status-tool.ts';
import { answersIn, askAnswer, demandTasks, submissionAnswer } from './task-answer.ts';
import { hasSeam } from './tool-call-seam.ts';
import type { ToolConfig, ToolHandler } from './tool.ts';

export interface Caller {
  readonly who: Who;
  readonly requestId: string;
  /** Who it is now, for answers that take long; null when the credential is no longer valid. */
  readonly again?: () => Promise<Who | null>;
}

export interface JobTools {
  readonly mcp: McpServer;
  readonly queue: QueueContext;
  readonly viewing: Viewing;
  /** For whoever waits without an end. */
  readonly places: Places;
  /** Who sent the call. */
  readonly caller: (context: ServerContext) => Promise<Caller> | Caller;
  /** Puts a tool on the server. */
  readonly register: (name: string, config: ToolConfig, handler: ToolHandler) => RegisteredTool;
}

const QUEUES = { readOnlyHint: false, idempotentHint: false, destructiveHint: false };

/** Hints and what `prepare` adds stand beside it. */
const HANDLE = object({ job_id: text, status: { const: 'queued' }, enqueued_at: text });

const LIST: ToolConfig = {
  title: 'List jobs',
  description:
    'Your jobs, newest first: find a job_id again that was lost. Answers at once; returns no new job_id.',
  inputSchema: z.strictObject({
    status: z.enum(statuses).optional(),
    tool_name: z.string().min(1).max(64).optional(),
    limit: z.int().min(1).max(100).default(25),
    cursor: z.string().max(200).optional().describe('meta.next_cursor of the page before.'),
  }),
  outputSchema: advertise(
    object({
      data: { type: 'array', items: object({ job_id: text, tool_name: text, status }) },
      meta: object({ limit: whole, has_more: { type: 'boolean' }, next_cursor: textOrNull }),
    }),
  ),
  annotations: LOOKS,
};

// Built once for each definition of the process.
const submissions = new WeakMap<AnyDefinition, ToolConfig & { inputSchema: Advertised }>();

function submissionConfig(definition: AnyDefinition): ToolConfig {
  let config = submissions.get(definition);
  if (config === undefined) {
    config = {
      ...(definition.title !== null && { title: definition.title }),
      description: `${definition.description.trim()} Queues a job and returns its job_id at once, not the result: call get_job_status with that job_id and wait_seconds: ${WAIT_SECONDS_MAX} to get it.`,
      inputSchema: advertise(withIdempotencyKey(compact(definition.inputJson))),
      outputSchema: submissionOutput(definition, HANDLE),
      annotations: QUEUES,
      givesTasks: true,
    };
    submissions.set(definition, config);
  }
  return config;
}

function registerSubmission(tools: JobTools, definition: AnyDefinition): void {
  const { mcp, queue, viewing, caller, register } = tools;
  const handler = async (sent: unknown, context: ServerContext) => {
    demandTasks(definition, context);
    const call = {
      ...(await caller(context)),
      ...takeIdempotencyKey(sent, context),
      ...answersIn(mcp, context),
    };
    try {
      return submissionAnswer(await submit(queue, definition, call), context, viewing);
    } catch (error) {
      if (error instanceof NeedsAnswers) return askAnswer(error);
      throw error;
    }
  };
  const { outputSchema, ...config } = submissionConfig(definition);
  // Without the seam the SDK holds the task to the schema of the tool's answer, and refuses it.
  const isWhole = hasSeam(mcp.server);
  const promised = isWhole ? { outputSchema } : {};
  const registered = register(definition.name, { ...config, ...promised }, handler);
  // Never `required`: a client without tasks would refuse to call the tool at all.
  if (isWhole) registered.execution = { taskSupport: 'optional' };
}

/** Put the tools of every definition and those that look at jobs or act on them on a server. */
export function registerJobTools(tools: JobTools): void {
  const { queue, viewing, caller, register } = tools;
  for (const definition of queue.definitions.values()) registerSubmission(tools, definition);
  register('get_job_status', STATUS, statusHandler({ queue, viewing, caller }));
  register(
    'list_jobs',
    LIST,
    async (args: ListRequest & { readonly tool_name?: string }, context: ServerContext) => {
      const { who } = await caller(context);
      const page = await list(queue, { ...args, tool: args.tool_name }, who);
      return {
        data: page.jobs.map(jobSummary),
        meta: {
          limit: page.limit,
          has_more: page.nextCursor !== null,
          next_cursor: page.nextCursor,
        },
      };
    },
  );
  registerControlTools(tools);
}
