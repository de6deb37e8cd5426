/**
 * The access-code application behind a real server on a real database, with tokens to ask by. The
 * work runs inside the server's process.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { accessCodes } from '../../src/access-codes/app.ts';
import type { AccessCodeOptions } from '../../src/access-codes/settings.ts';
import { ACCESS_CODE_MIGRATIONS } from '../../src/access-codes/sqlite/migrations.ts';
import { serve, tokens, type ServeOptions } from '../../src/http.ts';
import type { Logger, Store } from '../../src/index.ts';
import { openStore } from '../../src/sqlite.ts';
import { createToken, type NewToken } from '../../src/team/mint.ts';

export interface Answer {
  readonly isError?: boolean;
  readonly content: readonly { readonly text: string }[];
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly structuredContent: any;
}

export interface Served {
  readonly folder: string;
  readonly store: Store;
  readonly url: string;
  readonly publicUrl: string;
  /** Everything that was logged, as text. */
  readonly logged: string[];
  /** Everything that was answered by tools, as text. */
  readonly answered: string[];
  readonly application: Awaited<ReturnType<typeof accessCodes>>;
  /** Everything that the database holds, as text. */
  kept(): Promise<string>;
  token(wanted?: Partial<NewToken>): Promise<string>;
  /** A tool's answer, errors too. */
  ask(token: string, tool: string, args?: object): Promise<Answer>;
  /** `data` of a tool's answer; an error is thrown. */
  // oxlint-disable-next-line typescript/no-explicit-any
  data(token: string, tool: string, args?: object): Promise<any>;
  /** Code of the error that a tool answers with. */
  refusal(token: string, tool: string, args?: object): Promise<string>;
  /** A job once it is completed or failed. */
  // oxlint-disable-next-line typescript/no-explicit-any
  job(token: string, job_id: string): Promise<any>;
  /** A completed batch with its codes. */
  batch(token: string, args: object): Promise<Batch>;
  fetch(path: string, token?: string): Promise<Response>;
  /** Begin to work, where `served` was told not to. */
  work(): Promise<void>;
  close(): Promise<void>;
}

export interface Batch {
  readonly job_id: string;
  readonly result: {
    readonly count: number;
    readonly batch_id: string;
    readonly download_url: string;
  };
  readonly codes: readonly string[];
}

/** Where the application of a test keeps its data. */
export interface Kept {
  readonly store: Store;
  /** Everything that the database holds, as text. */
  dump(): Promise<string>;
}

type OpenKept = (folder: string) => Promise<Kept>;

const onSqlite: OpenKept = async (folder) => ({
  store: await openStore(join(folder, 'jobs.db'), { migrations: [ACCESS_CODE_MIGRATIONS] }),
  async dump() {
    const files = readdirSync(folder).map((name) => join(folder, name));
    assert.ok(files.length >= 3, files.join());
    return files.map((path) => readFileSync(path, 'latin1')).join('\n');
  },
});

let openKept = onSqlite;

/** From now on tests of this process are served from another engine than SQLite. */
export function serveFrom(open: OpenKept): void {
  openKept = open;
}

/** One statement that is the same on every engine. */
export const onBoth = (sql: string) => ({ sqlite: sql, postgres: sql });

export async function served(
  options: Partial<AccessCodeOptions> = {},
  more: Partial<ServeOptions> = {},
): Promise<Served> {
  const folder = mkdtempSync(join(tmpdir(), 'access-codes-'));
  const kept = await openKept(folder);
  const { store } = kept;
  const application = await accessCodes(store, {
    keyFile: join(folder, 'jobs.db.key'),
    ...options,
  });
  const logged: string[] = [];
  const answered: string[] = [];
  const common = { ...application, db: store, identify: tokens(store), port: 0, rateLimit: 0 };
  const serving = await serve({ ...common, inProcess: true, log: logTo(logged), ...more });
  const running = [serving];

  const ask = async (token: string, tool: string, args: object = {}): Promise<Answer> => {
    const response = await fetch(serving.url, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': '2025-06-18',
      },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'tools/call',
        params: { name: tool, arguments: args },
      }),
    });
    const text = await response.text();
    answered.push(text);
    const { result, error } = messageOf(text);
    if (result === undefined) throw new Error(`${response.status} ${JSON.stringify(error)}`);
    return result;
  };
  const data: Served['data'] = async (token, tool, args) => {
    const { structuredContent } = await ask(token, tool, args);
    if (structuredContent.data === undefined) throw new Error(JSON.stringify(structuredContent));
    return structuredContent.data;
  };
  const get = async (path: string, token?: string): Promise<Response> =>
    fetch(new URL(path, serving.publicUrl), {
      ...(token !== undefined && { headers: { authorization: `Bearer ${token}` } }),
    });

  return {
    folder,
    store,
    url: serving.url,
    publicUrl: serving.publicUrl,
    logged,
    answered,
    application,
    kept: () => kept.dump(),
    token: async (wanted = {}) => {
      const defaults = { team: 'acme', owner: 'ann', abilities: ['*'] };
      return (await createToken(store, { ...defaults, ...wanted })).token;
    },
    ask,
    data,
    refusal: async (token, tool, args) => {
      const { structuredContent } = await ask(token, tool, args);
      return structuredContent.error?.code ?? JSON.stringify(structuredContent);
    },
    job: async (token, job_id) => finished(async () => data(token, 'get_job_status', { job_id })),
    batch: async (token, args) => {
      const { job_id } = await data(token, 'bulk_generate_access_codes', args);
      const { result } = await finished(async () => data(token, 'get_job_status', { job_id }));
      const csv = await (await get(result.download_url, token)).text();
      return { job_id, result, codes: csv.split('\r\n').slice(1, -1).map(firstField) };
    },
    fetch: get,
    work: async () => {
      running.push(await serve({ ...common, inProcess: true, log: logTo(logged) }));
    },
    close: async () => {
      for (const one of running) await one.close();
      await store.close();
      rmSync(folder, { recursive: true });
    },
  };
}

export const ONE_PLAN = {
  name: 'Gold monthly',
  price: '29.00',
  currency: 'USD',
  billing_cycle: 'months',
  billing_cycle_count: 1,
};

/** A project with a plan. */
export async function planOf(
  server: Served,
  token: string,
  plan: object = {},
): Promise<{ project_id: string; plan_id: string }> {
  const project = await server.data(token, 'create_project', { name: 'Club' });
  const made = await server.data(token, 'create_plan', {
    project_id: project.id,
    ...ONE_PLAN,
    ...plan,
  });
  return { project_id: project.id, plan_id: made.id };
}

/** Arguments of a batch. */
export function batchOf(plan_id: string, quantity: number, more: object = {}): object {
  return { plan_id, quantity, export_type: 'file', expiry_preset: 'no_expiry', ...more };
}

function firstField(line: string): string {
  return line.split(',')[0] ?? '';
}

/** One message, sent plainly or as an event. */
function messageOf(text: string): { result?: Answer; error?: unknown } {
  const line = text.split('\n').find((one) => one.startsWith('data: '));
  return JSON.parse(line?.slice('data: '.length) ?? text) as { result?: Answer; error?: unknown };
}

// oxlint-disable-next-line typescript/no-explicit-any
async function finished(poll: () => Promise<any>): Promise<any> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const job = await poll();
    if (job.status === 'completed' || job.status === 'failed') return job;
    if (Date.now() > deadline) throw new Error(`Not finished in 10 s: ${JSON.stringify(job)}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function logTo(lines: string[]): Logger {
  const log = (fields: object, message?: string): void => {
    lines.push(
      JSON.stringify(fields, (_key, value: unknown) => errorText(value)) + (message ?? ''),
    );
  };
  return { debug: log, info: log, warn: log, error: log };
}

function errorText(value: unknown): unknown {
  return value instanceof Error ? `${value.stack} ${String(value.cause)}` : value;
}
