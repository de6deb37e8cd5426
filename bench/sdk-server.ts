/**
 * The SDK's default serving, as its documentation shows it: a factory that makes a server and
 * registers its tools with zod schemas, for each request. It has the tools that ours has.
 */
import { createMcpHandler, McpServer, type McpHttpHandler } from '@modelcontextprotocol/server';
import { z } from 'zod';

const answer = (value: Record<string, unknown>) => ({
  content: [{ type: 'text' as const, text: JSON.stringify(value) }],
  structuredContent: value,
});
/** No bench calls more than the tool that does nothing. */
const unused = () => answer({});

export function sdkHandler(): McpHttpHandler {
  return createMcpHandler(() => {
    const mcp = new McpServer({ name: 'bench', version: '1.0.0' });
    registerTools(mcp);
    return mcp;
  });
}

function registerTools(mcp: McpServer): void {
  mcp.registerTool(
    'noop',
    {
      description: 'Does nothing.',
      inputSchema: z.object({ n: z.number() }),
      outputSchema: z.object({ n: z.number() }),
    },
    ({ n }) => answer({ n }),
  );
  mcp.registerTool(
    'trivial',
    {
      description: 'Does nothing.',
      inputSchema: z.object({ n: z.number() }),
      outputSchema: z.object({ data: z.object({ job_id: z.string() }) }),
    },
    unused,
  );
  mcp.registerTool(
    'stamp',
    {
      description: 'Says when it began.',
      inputSchema: z.object({}),
      outputSchema: z.object({ data: z.object({ job_id: z.string() }) }),
    },
    unused,
  );
  mcp.registerTool(
    'get_job_status',
    {
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
    unused,
  );
  mcp.registerTool(
    'list_jobs',
    {
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
    unused,
  );
  mcp.registerTool(
    'cancel_job',
    {
      title: 'Cancel job',
      description: 'Cancels your job.',
      inputSchema: z.object({ job_id: z.string().min(1) }),
      outputSchema: z.object({ data: z.object({ job_id: z.string() }) }),
    },
    unused,
  );
  mcp.registerTool(
    'answer_job',
    {
      title: 'Answer job',
      description: 'Answers what a job asks.',
      inputSchema: z.object({
        job_id: z.string().min(1),
        answers: z.record(z.string(), z.looseObject({ action: z.string() })),
      }),
      outputSchema: z.object({ data: z.object({ job_id: z.string() }) }),
    },
    unused,
  );
}
