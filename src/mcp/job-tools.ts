/**
 * The tools of asynchronous jobs: one for each definition, which queues, and two that look.
 */
import type { ServerContext } from '@modelcontextprotocol/server';
import { z } from 'zod';
import type { AnyDefinition } from '../job/definition.ts';
import type { Json } from '../job/json.ts';
import type { JsonSchema } from '../job/schema.ts';
import type { Who } from '../job/who.ts';
import type { QueueContext } from '../queue/context.ts';
import { get } from '../queue/get.ts';
import { list, type ListRequest } from '../queue/list.ts';
import { submit } from '../queue/submit.ts';
import { advertise, type Advertised } from './advertise.ts';
import { jobSummary, jobView, submissionView, type Viewing } from './job-view.ts';
import type { ToolConfig, ToolHandler } from './tool.ts';

export interface Caller {
  readonly who: Who;
  readonly requestId: string;
}

export interface JobTools {
  readonly queue: QueueContext;
  readonly viewing: Viewing;
  /** Who sent the call. */
  readonly caller: (context: ServerContext) => Promise<Caller> | Caller;
  /** Puts a tool on the server. */
  readonly register: (name: string, config: ToolConfig, handler: ToolHandler) => void;
}

const LOOKS = { readOnlyHint: true, idempotentHint: true, openWorldHint: false };
const QUEUES = { readOnlyHint: false, idempotentHint: false, destructiveHint: false };

const text = { type: 'string' };
const textOrNull = { type: ['string', 'null'] };
const whole = { type: 'integer' };
const objectOrNull = { type: ['object', 'null'] };
const statuses = ['queued', 'running', 'completed', 'failed'] as const;

function object(properties: Record<string, Json>, optional: readonly string[] = []): JsonSchema {
  const required = Object.keys(properties).filter((key) => !optional.includes(key));
  return { type: 'object', properties, required };
}

const summary = {
  job_id: text,
  tool_name: text,
  status: { enum: statuses },
  enqueued_at: text,
  started_at: textOrNull,
  completed_at: textOrNull,
};
const hints = { poll_after_ms: whole, next_step: text };

const HANDLE = advertise(
  object({
    data: object({ job_id: text, status: { const: 'queued' }, enqueued_at: text, ...hints }),
  }),
);

const STATUS: ToolConfig = {
  title: 'Job status',
  description:
    'Status of a job by its job_id, and its result once status is completed, or its error once status is failed. Works from any session of the same owner. Answers at once; returns no new job_id.',
  inputSchema: z.strictObject({
    job_id: z.string().min(1, 'must not be empty').describe('The job_id that a tool returned.'),
  }),
  outputSchema: advertise(
    object({
      data: object(
        {
          ...summary,
          result: objectOrNull,
          error: objectOrNull,
          runs: whole,
          attempts: whole,
          progress: { type: 'object' },
          ...hints,
        },
        ['progress', ...Object.keys(hints)],
      ),
    }),
  ),
  annotations: LOOKS,
};

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
      data: { type: 'array', items: object(summary) },
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
      description: `${definition.description.trim()} Queues a job and returns its job_id at once, not the result: call get_job_status with that job_id to get it.`,
      inputSchema: advertise(definition.inputJson),
      outputSchema: HANDLE,
      annotations: QUEUES,
    };
    submissions.set(definition, config);
  }
  return config;
}

/** Put the tools of every definition, `get_job_status` and `list_jobs` on a server. */
export function registerJobTools({ queue, viewing, caller, register }: JobTools): void {
  for (const definition of queue.definitions.values()) {
    const handler = async (args: unknown, context: ServerContext) => {
      const call = { ...(await caller(context)), args };
      return { data: submissionView(await submit(queue, definition, call)) };
    };
    register(definition.name, submissionConfig(definition), handler);
  }
  register(
    'get_job_status',
    STATUS,
    async (args: { readonly job_id: string }, context: ServerContext) => {
      const { who } = await caller(context);
      return { data: jobView(await get(queue, args.job_id, who), viewing) };
    },
  );
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
}
