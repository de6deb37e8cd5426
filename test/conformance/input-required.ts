/** Tools and a prompt that want input before they answer, as 2026-07-28 has it. */
import {
  acceptedContent,
  createRequestStateCodec,
  inputRequired,
  ProtocolError,
  ProtocolErrorCode,
  type McpServer,
  type ServerContext,
} from '@modelcontextprotocol/server';
import { CLIENT_CAPABILITIES_META_KEY } from '@modelcontextprotocol/server';

const FIXTURE = { description: 'A fixture.' };
const text = (said: string) => ({ content: [{ type: 'text' as const, text: said }] });

const form = (message: string, name: string, type: 'string' | 'boolean') => {
  const member = type === 'string' ? { type } : { type };
  const requestedSchema = {
    type: 'object' as const,
    properties: { [name]: member },
    required: [name],
  };
  return inputRequired.elicit({ message, requestedSchema });
};

const sample = (said: string, maxTokens: number) =>
  inputRequired.createMessage({
    messages: [{ role: 'user', content: { type: 'text', text: said } }],
    maxTokens,
  });

const codec = createRequestStateCodec({ key: new Uint8Array(32).fill(7) });

/** The state that came back, or an error of the protocol when somebody has touched it. */
async function stateOf(context: ServerContext): Promise<unknown> {
  const state = context.mcpReq.requestState();
  if (typeof state !== 'string') return undefined;
  try {
    return await codec.verify(state, context);
  } catch {
    throw new ProtocolError(ProtocolErrorCode.InvalidParams, 'Invalid or expired requestState');
  }
}

const field = ({ mcpReq }: ServerContext, key: string, name: string): unknown =>
  acceptedContent(mcpReq.inputResponses, key)?.[name];

const NAME = () => form('What is your name?', 'name', 'string');

export function registerQuestions(mcp: McpServer): void {
  single(mcp);
  withState(mcp);
  const prompt = 'test_input_required_result_prompt';
  mcp.registerPrompt(prompt, { description: 'Wants a context.' }, (context) => {
    const given = field(context, 'user_context', 'context');
    if (given === undefined) {
      const user_context = form('What context should the prompt use?', 'context', 'string');
      return inputRequired({ inputRequests: { user_context } });
    }
    const content = { type: 'text' as const, text: `In the context of ${JSON.stringify(given)}` };
    return { messages: [{ role: 'user', content }] };
  });
}

function single(mcp: McpServer): void {
  const prefix = 'test_input_required_result';
  mcp.registerTool(`${prefix}_elicitation`, FIXTURE, (context) => {
    const name = field(context, 'user_name', 'name');
    if (typeof name !== 'string') return inputRequired({ inputRequests: { user_name: NAME() } });
    return text(`Hello, ${name}!`);
  });
  mcp.registerTool(`${prefix}_sampling`, FIXTURE, ({ mcpReq }) => {
    const answer = mcpReq.inputResponses?.['capital_question'];
    if (answer !== undefined) return text(JSON.stringify(answer));
    const capital_question = sample('What is the capital of France?', 100);
    return inputRequired({ inputRequests: { capital_question } });
  });
  mcp.registerTool(`${prefix}_list_roots`, FIXTURE, ({ mcpReq }) => {
    const roots = mcpReq.inputResponses?.['client_roots'];
    if (roots !== undefined) return text(JSON.stringify(roots));
    return inputRequired({ inputRequests: { client_roots: inputRequired.listRoots() } });
  });
  mcp.registerTool(`${prefix}_capabilities`, FIXTURE, ({ mcpReq }) => {
    const declared = (mcpReq.envelope as Record<string, object> | undefined)?.[
      CLIENT_CAPABILITIES_META_KEY
    ];
    const inputRequests = {
      ...(declared && 'sampling' in declared && { greeting: sample('Say hello', 50) }),
      ...(declared && 'elicitation' in declared && { user_name: NAME() }),
    };
    if (mcpReq.inputResponses !== undefined) return text('thank you');
    return inputRequired({ inputRequests });
  });
}

function withState(mcp: McpServer): void {
  const prefix = 'test_input_required_result';
  const confirm = async (context: ServerContext) => {
    const state = await stateOf(context);
    if (state !== undefined && field(context, 'confirm', 'ok') !== undefined) {
      return text('state-ok');
    }
    return inputRequired({
      inputRequests: { confirm: form('Please confirm', 'ok', 'boolean') },
      requestState: await codec.mint({ step: 1 }, context),
    });
  };
  mcp.registerTool(`${prefix}_request_state`, FIXTURE, confirm);
  mcp.registerTool(`${prefix}_tampered_state`, FIXTURE, confirm);
  mcp.registerTool(`${prefix}_multiple_inputs`, FIXTURE, async (context) => {
    const given = context.mcpReq.inputResponses ?? {};
    const isAll = ['user_name', 'greeting', 'client_roots'].every((key) => key in given);
    if ((await stateOf(context)) !== undefined && isAll) return text('all there');
    return inputRequired({
      inputRequests: {
        user_name: NAME(),
        greeting: sample('Generate a greeting', 50),
        client_roots: inputRequired.listRoots(),
      },
      requestState: await codec.mint({ step: 1 }, context),
    });
  });
  mcp.registerTool(`${prefix}_multi_round`, FIXTURE, async (context) => {
    const state = (await stateOf(context)) as { readonly name?: string } | undefined;
    if (state?.name !== undefined) {
      const color = field(context, 'step2', 'color');
      if (color !== undefined) return text(`${state.name} likes ${JSON.stringify(color)}`);
    }
    const name = field(context, 'step1', 'name');
    if (state === undefined || typeof name !== 'string') {
      return inputRequired({
        inputRequests: { step1: form('Step 1: What is your name?', 'name', 'string') },
        requestState: await codec.mint({}, context),
      });
    }
    return inputRequired({
      inputRequests: { step2: form('Step 2: What is your favorite color?', 'color', 'string') },
      requestState: await codec.mint({ name }, context),
    });
  });
}
