/** The synchronous tools that the conformance suite asks for. */
import { setTimeout as pause } from 'node:timers/promises';
import {
  fromJsonSchema,
  inputRequired,
  type McpServer,
  type ServerContext,
} from '@modelcontextprotocol/server';
import { z } from 'zod';
import type { ToolContext } from '../../src/http.ts';
import { ENUMS, PRIMITIVES, RICH, USER } from './schemas.ts';

/** A red pixel, and a tenth of a second of silence. */
export const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==';
const WAV = 'UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAAAAA==';

const FIXTURE = { description: 'A fixture.' };
const text = (said: string) => ({ content: [{ type: 'text' as const, text: said }] });

export function registerTools(mcp: McpServer, { notify }: ToolContext): void {
  contents(mcp);
  messages(mcp);
  questions(mcp);
  schemas(mcp);
  mcp.registerTool('test_trigger_tool_change', FIXTURE, () => {
    notify.toolsChanged();
    return text('told');
  });
  mcp.registerTool('test_trigger_prompt_change', FIXTURE, () => {
    notify.promptsChanged();
    return text('told');
  });
}

function contents(mcp: McpServer): void {
  const image = { type: 'image' as const, data: PNG, mimeType: 'image/png' };
  mcp.registerTool(
    'greet',
    { ...FIXTURE, inputSchema: z.object({ name: z.string() }) },
    ({ name }) => text(`Hello, ${name}!`),
  );
  mcp.registerTool('test_simple_text', FIXTURE, () =>
    text('This is a simple text response for testing.'),
  );
  mcp.registerTool('test_image_content', FIXTURE, () => ({ content: [image] }));
  mcp.registerTool('test_audio_content', FIXTURE, () => ({
    content: [{ type: 'audio', data: WAV, mimeType: 'audio/wav' }],
  }));
  mcp.registerTool('test_embedded_resource', FIXTURE, () => ({
    content: [
      {
        type: 'resource',
        resource: {
          uri: 'test://embedded-resource',
          mimeType: 'text/plain',
          text: 'This is an embedded resource content.',
        },
      },
    ],
  }));
  mcp.registerTool('test_multiple_content_types', FIXTURE, () => ({
    content: [
      { type: 'text', text: 'Multiple content types test:' },
      image,
      {
        type: 'resource',
        resource: {
          uri: 'test://mixed-content-resource',
          mimeType: 'application/json',
          text: JSON.stringify({ test: 'data', value: 123 }),
        },
      },
    ],
  }));
  mcp.registerTool('test_error_handling', FIXTURE, () => {
    throw new Error('This tool intentionally returns an error for testing');
  });
}

function messages(mcp: McpServer): void {
  const log = async ({ mcpReq }: ServerContext, lines: readonly string[]): Promise<void> => {
    for (const line of lines) {
      await mcpReq.log('info', line);
      await pause(50);
    }
  };
  mcp.registerTool('test_tool_with_logging', FIXTURE, async (context) => {
    await log(context, [
      'Tool execution started',
      'Tool processing data',
      'Tool execution completed',
    ]);
    return text('logged');
  });
  mcp.registerTool('test_logging_tool', FIXTURE, async (context) => {
    await log(context, ['One line']);
    return text('logged');
  });
  mcp.registerTool('test_tool_with_progress', FIXTURE, async ({ mcpReq }) => {
    const progressToken = mcpReq._meta?.progressToken;
    for (const progress of [0, 50, 100]) {
      if (progressToken !== undefined) {
        const params = { progressToken, progress, total: 100 };
        await mcpReq.notify({ method: 'notifications/progress', params });
      }
      await pause(50);
    }
    return text('done');
  });
  mcp.registerTool('test_reconnection', FIXTURE, async ({ http }) => {
    http?.closeSSE?.();
    await pause(100);
    return text('Reconnected.');
  });
}

/** Questions in the middle of a call, each as a revision has it. */
function questions(mcp: McpServer): void {
  const prompt = z.object({ prompt: z.string() });
  mcp.registerTool(
    'test_sampling',
    { ...FIXTURE, inputSchema: prompt },
    async (given, { mcpReq }) => {
      const { content } = await mcpReq.requestSampling({
        messages: [{ role: 'user', content: { type: 'text', text: given.prompt } }],
        maxTokens: 100,
      });
      const [first] = [content].flat();
      return text(`LLM response: ${first?.type === 'text' ? first.text : ''}`);
    },
  );
  const message = z.object({ message: z.string() });
  mcp.registerTool(
    'test_elicitation',
    { ...FIXTURE, inputSchema: message },
    async (given, { mcpReq }) => {
      const { action, content } = await mcpReq.elicitInput({ ...given, requestedSchema: USER });
      return text(`User response: action=${action}, content=${JSON.stringify(content)}`);
    },
  );
  const forms = {
    test_elicitation_sep1034_defaults: PRIMITIVES,
    test_elicitation_sep1330_enums: ENUMS,
  };
  for (const [name, requestedSchema] of Object.entries(forms)) {
    mcp.registerTool(name, FIXTURE, async ({ mcpReq }) => {
      const { action, content } = await mcpReq.elicitInput({ message: 'Please', requestedSchema });
      return text(`Elicitation completed: action=${action}, content=${JSON.stringify(content)}`);
    });
  }
  mcp.registerTool('test_missing_capability', FIXTURE, () =>
    inputRequired({
      inputRequests: {
        sample: inputRequired.createMessage({
          messages: [{ role: 'user', content: { type: 'text', text: 'Hello' } }],
          maxTokens: 10,
        }),
      },
    }),
  );
  mcp.registerTool('test_streaming_elicitation', FIXTURE, ({ mcpReq }) => {
    if (mcpReq.inputResponses?.['user'] !== undefined) return text('thank you');
    return inputRequired({
      inputRequests: { user: inputRequired.elicit({ message: 'Who?', requestedSchema: USER }) },
    });
  });
}

function schemas(mcp: McpServer): void {
  const description = 'Tool with JSON Schema 2020-12 features';
  const rich = { description, inputSchema: fromJsonSchema(RICH) };
  mcp.registerTool('json_schema_2020_12_tool', rich, () => text('fine'));
  const region = z.string().meta({ 'x-mcp-header': 'Region' });
  const inputSchema = z.object({ region, query: z.string().optional() });
  mcp.registerTool('test_x_mcp_header', { ...FIXTURE, inputSchema }, (given) => text(given.region));
}
