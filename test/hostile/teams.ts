/** Many teams that ask for each other's things by every name: a stranger's is as unknown as none. */
import * as fc from 'fast-check';
import { batchOf, planOf, served, type Served } from '../access-codes/served.ts';

export interface ProbeOptions {
  readonly seed: number;
  readonly teams: number;
  readonly probes: number;
}

export interface ProbeReport {
  readonly seed: number;
  readonly probes: number;
  /** Answers that told a stranger something; empty when none did. */
  readonly leaks: readonly string[];
}

/** What a team has. */
interface Team {
  readonly token: string;
  readonly plan_id: string;
  readonly project_id: string;
  readonly job_id: string;
  readonly batch_id: string;
  readonly code: string;
  readonly cursor: string;
}

type Ids = Omit<Team, 'token'>;

const LANES = 8;

/** As well-formed as the real ones, and nobody's. */
const NOBODYS: Ids = {
  plan_id: 'pln_01HX0000000000000000000000',
  project_id: 'prj_01HX0000000000000000000000',
  job_id: 'mjb_01HX0000000000000000000000',
  batch_id: 'btc_01HX0000000000000000000000',
  code: '0123456789ABCDEF',
  cursor: Buffer.from('1700000000000:mjb_01HX0000000000000000000000').toString('base64url'),
};

interface Question {
  readonly what: string;
  readonly ask: (server: Served, token: string, ids: Ids) => Promise<string>;
}

export async function probeTeams({
  seed,
  teams: wanted,
  probes,
}: ProbeOptions): Promise<ProbeReport> {
  const limits = { redeemFailuresPerMinute: 0, redeemFailuresPerHour: 0 };
  const server = await served(limits, { maxOutstanding: 0 });
  try {
    const teams = await inLanes(
      Array.from({ length: wanted }, (_, at) => at),
      (at) => teamOf(server, at),
    );
    const questions = questionsToAll();
    const any = fc.tuple(fc.nat(wanted - 1), fc.nat(wanted - 1), fc.nat(questions.length - 1));
    const picked = fc.sample(any, { seed, numRuns: probes });
    const leaks = await inLanes(picked, async ([asking, whose, which], at) => {
      const [who, of, question] = [
        teams[asking],
        teams[whose],
        questions[(which + at) % questions.length],
      ];
      if (who === undefined || of === undefined || question === undefined || who === of)
        return null;
      return leakOf(server, { who, of, question });
    });
    return { seed, probes: picked.length, leaks: leaks.filter((leak) => leak !== null) };
  } finally {
    await server.close();
  }
}

/** The answer about a stranger's thing beside that about nothing at all. */
async function leakOf(
  server: Served,
  { who, of, question }: { readonly who: Team; readonly of: Team; readonly question: Question },
): Promise<string | null> {
  const { token: _, ...foreign } = of;
  const told = await question.ask(server, who.token, foreign);
  const nothing = await question.ask(server, who.token, NOBODYS);
  if (told !== nothing) return `${question.what}: ${told} is not ${nothing}`;
  const named = Object.values(foreign).find((id) => told.includes(id));
  return named === undefined ? null : `${question.what} names ${named}: ${told}`;
}

async function teamOf(server: Served, at: number): Promise<Team> {
  const token = await server.token({ team: `team ${at}`, owner: `owner ${at % 7}` });
  const ids = await planOf(server, token, { name: `Plan of team ${at}` });
  const batch = await server.batch(token, batchOf(ids.plan_id, 1));
  const cursor = Buffer.from(`9700000000000:${batch.job_id}`).toString('base64url');
  return {
    token,
    ...ids,
    job_id: batch.job_id,
    batch_id: batch.result.batch_id,
    code: batch.codes[0] ?? '',
    cursor,
  };
}

const TASKS = { extensions: { 'io.modelcontextprotocol/tasks': {} } };

function envelope(capabilities: object): object {
  return {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': { name: 'x', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': capabilities,
  };
}

/** Every tool, method and address that takes an id. */
function questionsToAll(): Question[] {
  const tool = (name: string, args: (ids: Ids) => object): Question => ({
    what: name,
    ask: (server, token, ids) =>
      rpc(server, token, { method: 'tools/call', params: { name, arguments: args(ids) } }),
  });
  const method = (name: string, params: (ids: Ids) => object): Question[] => [
    {
      what: `${name} 2025`,
      ask: (server, token, ids) => rpc(server, token, { method: name, params: params(ids) }),
    },
    {
      what: `${name} 2026`,
      ask: (server, token, ids) => {
        const given = params(ids);
        const headers: Record<string, string> = {
          'mcp-protocol-version': '2026-07-28',
          'mcp-method': name,
        };
        const target = 'taskId' in given ? given.taskId : 'uri' in given ? given.uri : null;
        if (typeof target === 'string') headers['mcp-name'] = target;
        return rpc(
          server,
          token,
          { method: name, params: { ...given, _meta: envelope(TASKS) } },
          headers,
        );
      },
    },
  ];
  const plan = { name: 'Gold', price: '1.00', currency: 'USD', billing_cycle: 'days' };
  return [
    tool('list_plans', ({ project_id }) => ({ project_id })),
    tool('create_plan', ({ project_id }) => ({ ...plan, name: 'Golden', project_id })),
    tool('list_access_codes', ({ plan_id }) => ({ plan_id })),
    tool('preview_access_code_cost', ({ plan_id }) => ({ plan_id, quantity: 1 })),
    tool('bulk_generate_access_codes', ({ plan_id }) => batchOf(plan_id, 1)),
    tool('redeem_access_code', ({ code }) => ({ code, subscriber_id: 'x' })),
    tool('get_job_status', ({ job_id }) => ({ job_id })),
    tool('cancel_job', ({ job_id }) => ({ job_id })),
    tool('answer_job', ({ job_id }) => ({
      job_id,
      answers: { a: { action: 'accept', content: {} } },
    })),
    tool('list_jobs', ({ cursor }) => ({ cursor, limit: 100, tool_name: 'no_such_tool' })),
    ...method('tasks/get', ({ job_id }) => ({ taskId: job_id })),
    ...method('tasks/result', ({ job_id }) => ({ taskId: job_id })),
    ...method('tasks/cancel', ({ job_id }) => ({ taskId: job_id })),
    ...method('tasks/update', ({ job_id }) => ({ taskId: job_id, inputResponses: {} })),
    ...method('resources/read', ({ job_id }) => ({
      uri: `mcp-async-jobs://jobs/${job_id}/result`,
    })),
    page(({ batch_id }) => `/batches/${batch_id}.csv`),
    page(({ job_id }) => `/jobs/${job_id}/result`),
  ];
}

function page(path: (ids: Ids) => string): Question {
  return {
    what: path(NOBODYS),
    ask: async (server, token, ids) => {
      const response = await server.fetch(path(ids), token);
      return plain(`${response.status} ${await response.text()}`, ids);
    },
  };
}

async function rpc(
  server: Served,
  token: string,
  { method, params }: { readonly method: string; readonly params: object },
  headers: Readonly<Record<string, string>> = {},
): Promise<string> {
  const response = await fetch(server.url, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...headers,
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  });
  return plain(`${response.status} ${await response.text()}`, params);
}

/** Without the id of the request. */
function plain(answer: string, asked: object): string {
  let text = answer.replaceAll(/req_[0-9A-Z]{26}/g, 'REQUEST');
  for (const value of Object.values(asked)) {
    // A resource that is not found is named back, as MCP wants it.
    if (typeof value === 'string' && value.includes('://')) text = text.replace(value, 'URI');
  }
  return text;
}

async function inLanes<T, R>(
  items: readonly T[],
  work: (item: T, at: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let at = next++; at < items.length; at = next++)
      results[at] = await work(items[at] as T, at);
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return results;
}
