/** What `npm run turns` talks to: a real server with a worker process, a plan, and a token. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { openApplication } from '../src/cli/application.ts';
import { serve, tokens } from '../src/http.ts';
import type { Json } from '../src/index.ts';
import { SILENT } from '../src/job/log.ts';
import { createToken } from '../src/team/mint.ts';
import { textOf, type Surface } from './turns-agent.ts';

export interface TurnsServer extends AsyncDisposable {
  readonly planId: string;
  readonly url: string;
  readonly token: string;
  /** A connected client of its own, which counts the bytes of what it is answered. */
  surface(name: string, mode: 'legacy' | { pin: '2026-07-28' }): Promise<Surface>;
}

export async function turnsServer(): Promise<TurnsServer> {
  const folder = mkdtempSync(join(tmpdir(), 'mcp-async-jobs-turns-'));
  const ending: (() => Promise<unknown>)[] = [
    async () => rmSync(folder, { recursive: true, force: true }),
  ];
  const end = async (): Promise<void> => {
    for (const step of ending.toReversed()) await step();
  };
  try {
    const options = {
      db: join(folder, 'turns.db'),
      maxQuantity: 1_000,
      exportDays: 30,
      allotment: 100_000,
      overagePrice: '0.03',
    };
    const { store, parts } = await openApplication(options, { log: SILENT, isGuest: false });
    ending.push(async () => store.close());
    const serving = await serve({
      ...parts,
      jobs: new URL('./dev-jobs.ts', import.meta.url),
      db: store,
      identify: tokens(store),
      port: 0,
      rateLimit: 0,
      concurrency: 64,
    });
    ending.push(async () => serving.close({ graceMs: 0 }));
    const { token } = await createToken(store, { team: 'Turns', owner: 'agent', abilities: ['*'] });
    const surface: TurnsServer['surface'] = async (name, mode) => {
      const { surface: made, close } = await connect(serving.url, { name, mode, token });
      ending.push(close);
      return made;
    };
    return {
      url: serving.url,
      token,
      planId: await aPlan(await surface('setup', 'legacy')),
      surface,
      [Symbol.asyncDispose]: end,
    };
  } catch (error) {
    await end();
    throw error;
  }
}

interface Connection {
  readonly name: string;
  readonly mode: 'legacy' | { pin: '2026-07-28' };
  readonly token: string;
}

async function connect(
  url: string,
  { name, mode, token }: Connection,
): Promise<{ surface: Surface; close: () => Promise<void> }> {
  let received = 0;
  const counting: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    const text = await response.clone().text();
    received = Buffer.byteLength(text);
    return response;
  };
  const client = new Client({ name: 'agent', version: '1' }, { versionNegotiation: { mode } });
  const requestInit = { headers: { authorization: `Bearer ${token}` } };
  const transport = new StreamableHTTPClientTransport(new URL(url), {
    requestInit,
    fetch: counting,
  });
  await client.connect(transport);
  const { tools } = await client.listTools();
  const call: Surface['call'] = async (tool, args) => {
    const answer = await client.callTool({ name: tool, arguments: args });
    const { data } = answer.structuredContent as { readonly data?: Record<string, Json> };
    if (data === undefined) throw new Error(`${tool}: ${JSON.stringify(answer)}`);
    return { data, bytes: [received] };
  };
  return { surface: { name, tools, call }, close: async () => client.close() };
}

async function aPlan(surface: Surface): Promise<string> {
  const { data: project } = await surface.call('create_project', { name: 'Turns' });
  const plan = await surface.call('create_plan', {
    project_id: textOf(project['id']),
    name: 'Monthly membership',
    price: '29.00',
    currency: 'USD',
    billing_cycle: 'months',
    billing_cycle_count: 1,
  });
  return textOf(plan.data['id']);
}
