/** The prompts and resources that the conformance suite asks for. */
import { completable, ResourceTemplate, type McpServer } from '@modelcontextprotocol/server';
import { z } from 'zod';
import { PNG } from './tools.ts';

type Content =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'image'; readonly data: string; readonly mimeType: string }
  | {
      readonly type: 'resource';
      readonly resource: { readonly uri: string; readonly mimeType: string; readonly text: string };
    };

const says = (...contents: readonly Content[]) => ({
  messages: contents.map((content) => ({ role: 'user' as const, content })),
});
const text = (said: string): Content => ({ type: 'text', text: said });

export function registerPrompts(mcp: McpServer): void {
  mcp.registerPrompt('test_simple_prompt', { description: 'Says one thing.' }, () =>
    says(text('This is a simple prompt for testing.')),
  );
  const arg1 = completable(z.string(), (begun) =>
    ['paris', 'park', 'party'].filter((word) => word.startsWith(begun)),
  );
  mcp.registerPrompt(
    'test_prompt_with_arguments',
    { description: 'Says two things.', argsSchema: z.object({ arg1, arg2: z.string() }) },
    (given) => says(text(`Prompt with arguments: arg1='${given.arg1}', arg2='${given.arg2}'`)),
  );
  mcp.registerPrompt(
    'test_prompt_with_embedded_resource',
    { description: 'Embeds.', argsSchema: z.object({ resourceUri: z.string() }) },
    ({ resourceUri: uri }) =>
      says(
        {
          type: 'resource',
          resource: { uri, mimeType: 'text/plain', text: 'Embedded resource content for testing.' },
        },
        text('Please process the embedded resource above.'),
      ),
  );
  mcp.registerPrompt('test_prompt_with_image', { description: 'Shows an image.' }, () =>
    says(
      { type: 'image', data: PNG, mimeType: 'image/png' },
      text('Please analyze the image above.'),
    ),
  );
}

export function registerResources(mcp: McpServer): void {
  const plain = { mimeType: 'text/plain', description: 'A fixture.' };
  const still = 'test://static-text';
  mcp.registerResource('static-text', still, plain, () => ({
    contents: [{ uri: still, ...plain, text: 'This is the content of the static text resource.' }],
  }));
  const bytes = 'test://static-binary';
  const png = { mimeType: 'image/png', description: 'A fixture.' };
  mcp.registerResource('static-binary', bytes, png, () => ({
    contents: [{ uri: bytes, mimeType: 'image/png', blob: PNG }],
  }));
  const watched = 'test://watched-resource';
  mcp.registerResource('watched-resource', watched, plain, () => ({
    contents: [{ uri: watched, mimeType: 'text/plain', text: 'Watched.' }],
  }));
  const template = new ResourceTemplate('test://template/{id}/data', { list: undefined });
  const json = { mimeType: 'application/json', description: 'A fixture.' };
  mcp.registerResource('template', template, json, (uri, { id }) => ({
    contents: [
      {
        uri: uri.href,
        mimeType: 'application/json',
        text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${String(id)}` }),
      },
    ],
  }));
}
