/** A real server on a free port with a database in a temporary folder, and raw HTTP to ask it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { serve, type Identify, type ServeOptions, type Serving } from '../../src/http.ts';

export const JOBS = new URL('./jobs.ts', import.meta.url);

/** Who sends `Bearer team/owner/ability,ability`; `-` stands for no ability. */
export const byName: Identify = (request) => {
  const sent = /^Bearer (\w+)\/(\w+)\/([\w:*,-]+)$/.exec(
    request?.headers.get('authorization') ?? '',
  );
  const [, team, owner, abilities] = sent ?? [];
  if (team === undefined || owner === undefined || abilities === undefined) return null;
  return { team, owner, abilities: abilities.split(','), token: `${team}/${owner}` };
};

export const ANNA = 'anna/anna/*';

/** @returns a server that is closed, and whose files are gone, when the test has ended */
export async function aServer(
  t: TestContext,
  options: Partial<ServeOptions> = {},
): Promise<Serving> {
  const folder = mkdtempSync(join(tmpdir(), 'mcp-async-jobs-'));
  const serving = await serve({
    jobs: JOBS,
    db: join(folder, 'jobs.db'),
    identify: byName,
    port: 0,
    inProcess: true,
    rateLimit: 0,
    ...options,
  });
  t.after(async () => {
    await serving.close({ graceMs: 0 });
    rmSync(folder, { recursive: true, force: true });
  });
  return serving;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // What comes back is asserted on, field by field.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any;
}

interface PostOptions {
  readonly token?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
}

/** POST a text to the MCP endpoint as a 2025 client does. */
export async function post(url: string, text: string, options: PostOptions = {}): Promise<Answer> {
  const { token = ANNA, headers = {} } = options;
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...(token !== null && { authorization: `Bearer ${token}` }),
      ...headers,
    },
    body: text,
  });
  const answer = await response.text();
  const data = /^data: (.*)$/m.exec(answer)?.[1] ?? answer;
  return {
    status: response.status,
    headers: response.headers,
    body: data === '' ? null : JSON.parse(data),
  };
}

/** Send one JSON-RPC request without an envelope, as 2025 clients do. */
export async function rpc(
  url: string,
  method: string,
  params: object,
  options?: PostOptions,
): Promise<Answer> {
  return post(url, JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }), options);
}

/** Send one JSON-RPC request of the revision 2026-07-28. */
export async function rpc2026(
  url: string,
  method: string,
  params: Readonly<Record<string, unknown>>,
  options: PostOptions = {},
): Promise<Answer> {
  const _meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': {},
  };
  const headers = {
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': method,
    ...(typeof params['name'] === 'string' && { 'mcp-name': params['name'] }),
  };
  return rpc(
    url,
    method,
    { ...params, _meta },
    { ...options, headers: { ...headers, ...options.headers } },
  );
}

/** Call a tool and return its structured content, after checking that the text says the same. */
export async function call(
  url: string,
  name: string,
  args: unknown,
  options?: PostOptions,
): Promise<Answer['body']> {
  const { body } = await rpc(url, 'tools/call', { name, arguments: args }, options);
  const { content, structuredContent } = body.result;
  if (content[0].text !== JSON.stringify(structuredContent)) {
    throw new Error(`The text of ${name} is not its structured content: ${content[0].text}`);
  }
  return structuredContent;
}

/** Poll a job until it is final. */
export async function finished(url: string, jobId: string, options?: PostOptions) {
  for (const deadline = Date.now() + 15_000; Date.now() < deadline;) {
    const { data } = await call(url, 'get_job_status', { job_id: jobId }, options);
    if (data.status === 'completed' || data.status === 'failed') return data;
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
  }
  throw new Error(`${jobId} is not final after 15 s.`);
}
