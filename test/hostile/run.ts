/**
 * Hostile requests against a whole server: everything is sent, every answer is judged, and what
 * stands in the database afterwards is what was there before and what was knowingly accepted.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { served, batchOf, planOf, type Served } from '../access-codes/served.ts';
import { closeConnections, sendCase, type Case, type Reply } from './case.ts';
import { envelopeCases, idCases, toolCases } from './generate-calls.ts';
import { bodyCases, framingCases, headerCases, routeCases } from './generate-http.ts';
import { HANG_MS, judge, messagesOf } from './judge.ts';
import { tablesOf, type Tables } from './rows.ts';
import type { Known, ToolSchema } from './wanted.ts';

export interface HostileOptions {
  /** A run with the same seed and count sends the same. */
  readonly seed: number;
  /** About how many requests; at least 5,000. */
  readonly count: number;
  /** Only cases of this class. */
  readonly kind?: string;
  /** What stands in the tables; default those of the file that is served from. */
  readonly tables?: () => Promise<Tables>;
}

export interface HostileReport {
  readonly seed: number;
  /** How many cases of each class were sent. */
  readonly sent: Readonly<Record<string, number>>;
  readonly slowestMs: number;
  /** What was wrong, each with its case; empty when nothing was. */
  readonly wrong: readonly string[];
}

/** How many cases are on the way at once. */
const LANES = 8;
/** After so many cases the server is asked something usual. */
const ALIVE_EVERY = 100;

/** What an accepted call adds, by table. */
const ADDS: Readonly<Record<string, readonly string[]>> = {
  create_project: ['projects'],
  create_plan: ['plans'],
  bulk_generate_access_codes: ['jobs'],
};

export async function hostileInput(options: HostileOptions): Promise<HostileReport> {
  const server = await served(
    { quantityMax: 3, redeemFailuresPerMinute: 0, redeemFailuresPerHour: 0 },
    { maxOutstanding: 0 },
  );
  try {
    return await attack(server, options);
  } finally {
    closeConnections();
    await server.close();
  }
}

async function attack(
  server: Served,
  { seed, count, kind, tables }: HostileOptions,
): Promise<HostileReport> {
  const token = await server.token({ team: 'own', owner: 'ann' });
  const known = await knownOf(server, token);
  const look = tables ?? (async () => tablesOf(join(server.folder, 'jobs.db')));
  const before = await look();
  const cases = casesOf(known, token, { seed, count }).filter(
    (one) => kind === undefined || one.kind === kind,
  );
  const sent: Record<string, number> = {};
  const wrong: string[] = [];
  const accepted: Record<string, number> = {};
  const slow: Case[] = [];
  let slowestMs = 0;
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let at = next++; at < cases.length; at = next++) {
      const one = cases[at];
      if (one === undefined) return;
      sent[one.kind] = (sent[one.kind] ?? 0) + 1;
      const { reply, problems } = await tried(server, token, one);
      if ((reply?.ms ?? 0) > HANG_MS) slow.push(one);
      wrong.push(...problems.map((problem) => `${one.kind} #${at} ${one.what}: ${problem}`));
      if (reply !== null)
        for (const table of grownBy(one, reply)) accepted[table] = (accepted[table] ?? 0) + 1;
      if (at % ALIVE_EVERY === 0) await server.data(token, 'list_projects', { limit: 1 });
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  // The lanes share a processor with each other and with other tests: what took long among them is
  // a hang only if it takes long alone, and every time.
  for (const one of slow) {
    let ms = Infinity;
    for (let i = 0; i < 5 && ms > HANG_MS; i += 1) {
      ms = Math.min(ms, (await sendCase(server.url, token, one)).ms);
    }
    slowestMs = Math.max(slowestMs, ms);
    if (ms > HANG_MS) wrong.push(`${one.kind} ${one.what}: took ${ms} ms`);
  }
  await server.data(token, 'list_projects', { limit: 1 });
  wrong.push(...changes(before, await look(), accepted), ...logProblems(server.logged));
  return { seed, sent, slowestMs, wrong };
}

async function tried(
  server: Served,
  token: string,
  one: Case,
): Promise<{ reply: Reply | null; problems: string[] }> {
  try {
    const reply = await sendCase(server.url, token, one);
    return { reply, problems: judge(one, reply) };
  } catch (error) {
    return { reply: null, problems: [`was not answered properly: ${String(error)}`] };
  }
}

async function knownOf(server: Served, token: string): Promise<Known> {
  const stranger = await server.token({ team: 'foreign', owner: 'bob' });
  const theirs = await planOf(server, stranger);
  const batch = await server.batch(stranger, batchOf(theirs.plan_id, 1));
  const own = await planOf(server, token);
  const mine = await server.batch(token, batchOf(own.plan_id, 1));
  const response = await fetch(server.url, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
    },
    body: '{"jsonrpc":"2.0","id":1,"method":"tools/list"}',
  });
  const text = await response.text();
  const [, data = text] = /^data: (.*)$/m.exec(text) ?? [];
  const { result } = JSON.parse(data) as {
    readonly result: { readonly tools: readonly ToolSchema[] };
  };
  assert.ok(result.tools.length >= 10, 'the server lists its tools');
  return {
    tools: result.tools,
    foreign: [theirs.plan_id, theirs.project_id, batch.job_id, batch.result.batch_id],
    own: { plan_id: own.plan_id, project_id: own.project_id, job_id: mine.job_id },
  };
}

function casesOf(
  known: Known,
  token: string,
  { seed, count }: { seed: number; count: number },
): Case[] {
  const fixed = [...routeCases(known), ...headerCases(token), ...idCases(known)];
  const rest = Math.max(1_600, count - fixed.length);
  const wanted = {
    seed,
    perTool: Math.ceil((rest * 0.5) / known.tools.length),
    envelopes: Math.ceil(rest * 0.25),
    bodies: Math.ceil(rest * 0.1),
  };
  const made = [
    toolCases(known, wanted),
    envelopeCases(known, wanted),
    bodyCases(wanted),
    framingCases(wanted),
  ];
  return [...fixed, ...made.flat()];
}

function grownBy(one: Case, reply: Reply): readonly string[] {
  const tables = ADDS[one.tool ?? ''] ?? [];
  if (tables.length === 0) return [];
  const [message] = messagesOf(reply) as [
    { readonly result?: { readonly isError?: boolean } } | undefined,
  ];
  return message?.result !== undefined && message.result.isError !== true ? tables : [];
}

/** Tables that only what was accepted may have made grow, and those that may not have changed at all. */
function changes(
  before: Tables,
  after: Tables,
  accepted: Readonly<Record<string, number>>,
): string[] {
  // What completed jobs write, and what is kept beside a job.
  const follows = new Set(['batches', 'codes', 'code_key', 'job_payloads']);
  return Object.entries(after).flatMap(([table, { rows, digest }]) => {
    const then = before[table] ?? { rows: 0, digest: '' };
    if (follows.has(table)) return [];
    const grown = accepted[table];
    if (grown === undefined)
      return digest === then.digest ? [] : [`the table ${table} was changed`];
    return rows === then.rows + grown
      ? []
      : [`${table} has ${rows} rows, not ${then.rows} + ${grown}`];
  });
}

/** What went wrong inside, though the answer did not show it. */
function logProblems(logged: readonly string[]): string[] {
  return logged
    .filter((line) => /tool failed|request failed|"stack"/.test(line))
    .slice(0, 20)
    .map((line) => `logged: ${line.slice(0, 600)}`);
}
