/** Where a server is to be found, and the way to it for either SDK. */
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as OldStdioTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport as OldHttpTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

/** An address, or the arguments of Node that start a server for this client alone. */
export type Target = { readonly url: string } | { readonly args: readonly string[] };

const info = { name: 'test', version: '1.0.0' };

export async function v2(target: Target, mode: 'legacy' | { pin: '2026-07-28' }): Promise<Client> {
  const client = new Client(info, { versionNegotiation: { mode } });
  await client.connect(
    'url' in target
      ? new StreamableHTTPClientTransport(new URL(target.url))
      : new StdioClientTransport(commandOf(target)),
  );
  return client;
}

export async function v1(target: Target): Promise<OldClient> {
  const client = new OldClient(info, { capabilities: { elicitation: {} } });
  await client.connect(
    'url' in target
      ? new OldHttpTransport(new URL(target.url))
      : new OldStdioTransport(commandOf(target)),
  );
  return client;
}

function commandOf({ args }: { readonly args: readonly string[] }) {
  return { command: process.execPath, args: [...args] };
}
