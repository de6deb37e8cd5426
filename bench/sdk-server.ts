/**
 * The SDK's default serving, as its documentation shows it: a factory that makes a server and
 * registers its tools, with their zod schemas, for each request. It has the tools that ours has.
 */
import { createMcpHandler, McpServer, type McpHttpHandler } from '@modelcontextprotocol/server';
import { z } from 'zod';

const answer = (value: Record<string, unknown>) => ({
  content: [{ type: 'text' as const, text: JSON.stringify(value) }],
  structuredContent: value,
});

/**
 * @param isTuned make the schemas once, as the documentation does not, but who measures would
 */
export function sdkHandler(isTuned: boolean): McpHttpHandler {
  const once = tools();
  return createMcpHandler(() => {
    const mcp = new McpServer({ name: 'bench', version: '1.0.0' });
    for (const [name, config] of Object.entries(isTuned ? once : tools())) {
      mcp.registerTool(name, config, (args) => answer(args));
    }
    return mcp;
  });
}

const handle = () => z.object({ data: z.object({ job_id: z.string() }) });

interface ToolConfig {
  readonly title?: string;
  readonly description: string;
  readonly inputSchema: z.ZodObject;
  readonly outputSchema: z.ZodObject;
}

function tools(): Readonly<Record<string, ToolConfig>> {
  return {
    noop: {
      description: 'Does nothing.',
      inputSchema: z.object({ n: z.number() }),
      outputSchema: z.object({ n: z.number() }),
    },
    trivial: {
      description: 'Does nothing.',
      inputSchema: z.object({ n: z.number() }),
      outputSchema: handle(),
    },
    stamp: {
      description: 'Says when it began.',
      inputSchema: z.object({}),
      outputSchema: handle(),
    },
    get_job_status: {
      title: 'Job status',
      description: 'Status of a job, and its result or error.',
      inputSchema: z.object({
        job_id: z.string().min(1),
        wait_seconds: z.number().min(0).max(25).default(0),
      }),
      outputSchema: z.object({
        data: z.object({ job_id: z.string(), tool_name: z.string(), status: z.string() }),
      }),
    },
    list_jobs: {
      title: 'List jobs',
      description: 'Your jobs, newest first.',
      inputSchema: z.object({
        status: z.enum(['queued', 'running', 'completed', 'failed']).optional(),
        tool_name: z.string().min(1).max(64).optional(),
        limit: z.int().min(1).max(100).default(25),
        cursor: z.string().max(200).optional(),
      }),
      outputSchema: z.object({ data: z.array(z.object({ job_id: z.string() })) }),
    },
    cancel_job: {
      title: 'Cancel job',
      description: 'Cancels your job.',
      inputSchema: z.object({ job_id: z.string().min(1) }),
      outputSchema: handle(),
    },
    answer_job: {
      title: 'Answer job',
      description: 'Answers what a job asks.',
      inputSchema: z.object({
        job_id: z.string().min(1),
        answers: z.record(z.string(), z.looseObject({ action: z.string() })),
      }),
      outputSchema: handle(),
    },
  };
}
