/** A thousand teams, each of which asks for what the others have, by every tool, method and address. */
import { tmpdir } from 'node:os';
import type { Fault, FaultRun, Outcome } from './fault.ts';
import { batchOf, Fleet, kill } from './fleet.ts';
import { ENGINES, place, type Caller } from './place.ts';
import { Seeded } from './random.ts';
import { modernText, requestText, Wire } from './wire.ts';

const TEAMS_MAX = 1_000;
const LANES = 6;
/** Questions in one request; a server answers them one by one all the same. */
const BATCH = 50;
const NOBODYS = '01HX0000000000000000000000';

/** What a team has, by the kind of its id. */
type Ids = Readonly<
  Record<'plan_id' | 'project_id' | 'job_id' | 'batch_id' | 'code' | 'cursor', string>
>;

interface Team extends Caller {
  readonly ids: Ids;
}

interface Question {
  readonly method: string;
  readonly params: (ids: Ids) => object;
}

const tool = (name: string, args: (ids: Ids) => object): Question => ({
  method: 'tools/call',
  params: (ids) => ({ name, arguments: args(ids) }),
});
const PLAN = { name: 'Golden', price: '1.00', currency: 'USD', billing_cycle: 'lifetime' };
const TOOLS: readonly Question[] = [
  tool('get_job_status', ({ job_id }) => ({ job_id })),
  tool('cancel_job', ({ job_id }) => ({ job_id })),
  tool('answer_job', ({ job_id }) => ({
    job_id,
    answers: { a: { action: 'accept', content: {} } },
  })),
  tool('list_jobs', ({ cursor }) => ({ cursor, limit: 100, tool_name: 'no_such_tool' })),
  tool('list_plans', ({ project_id }) => ({ project_id })),
  tool('create_plan', ({ project_id }) => ({ ...PLAN, project_id })),
  tool('list_access_codes', ({ plan_id }) => ({ plan_id })),
  tool('preview_access_code_cost', ({ plan_id }) => ({ plan_id, quantity: 1 })),
  tool('bulk_generate_access_codes', ({ plan_id }) => batchOf(plan_id, 1)),
  tool('redeem_access_code', ({ code }) => ({ code, subscriber_id: 'x' })),
];
const task = (method: string, more: object = {}): Question => ({
  method,
  params: ({ job_id }) => ({ taskId: job_id, ...more }),
});
const METHODS: readonly Question[] = [
  task('tasks/get'),
  task('tasks/cancel'),
  {
    method: 'resources/read',
    params: ({ job_id }) => ({ uri: `mcp-async-jobs://jobs/${job_id}/result` }),
  },
];
const OF_2025: readonly Question[] = [...TOOLS, ...METHODS, task('tasks/result')];
const OF_2026: readonly Question[] = [...METHODS, task('tasks/update', { inputResponses: {} })];
const PAGES: readonly ((ids: Ids) => string)[] = [
  ({ batch_id }) => `/batches/${batch_id}.csv`,
  ({ job_id }) => `/jobs/${job_id}/result`,
];

const cursorOf = (job: string) => Buffer.from(`9700000000000:${job}`).toString('base64url');

/** Well-formed, and nobody's. */
function nobodys(last = NOBODYS): Ids {
  return {
    plan_id: `pln_${last}`,
    project_id: `prj_${last}`,
    job_id: `mjb_${last}`,
    batch_id: `btc_${last}`,
    code: last.slice(-16),
    cursor: cursorOf(`mjb_${last}`),
  };
}

/** What was answered, without what differs from one request to the next. */
function plain(answer: string, ids: Ids): string {
  return answer
    .replaceAll(/req_[0-9A-Z]{26}/g, 'REQUEST')
    .replaceAll(`mcp-async-jobs://jobs/${ids.job_id}/result`, 'URI');
}

/** One request of one kind, and what was told about each thing that it asked for. */
interface Probe {
  readonly text: string;
  readonly asks: readonly { readonly what: string; readonly ids: Ids }[];
}

function probe(url: string, token: string, given: { kind: number; ids: readonly Ids[] }): Probe {
  const { kind, ids } = given;
  const [first = nobodys()] = ids;
  const page = PAGES[kind - 1 - OF_2026.length];
  if (page) {
    const text = requestText(url, { token, method: 'GET', path: page(first) });
    return { text, asks: [{ what: page(nobodys()), ids: first }] };
  }
  const modern = OF_2026[kind - 1];
  if (modern) {
    const text = modernText(url, token, modern.method, modern.params(first));
    return { text, asks: [{ what: `${modern.method} 2026`, ids: first }] };
  }
  const messages = ids.map((one, id) => {
    const { method, params } = OF_2025[id % OF_2025.length] as Question;
    return { jsonrpc: '2.0', id, method, params: params(one) };
  });
  const asks = messages.map(({ method, id }, at) => {
    const { params } = OF_2025[id % OF_2025.length] as Question;
    const { name = '' } = params(nobodys()) as { name?: string };
    return { what: `${method} ${name}`, ids: ids[at] ?? first };
  });
  const headers = { 'MCP-Protocol-Version': '2025-03-26' };
  return { text: requestText(url, { token, body: JSON.stringify(messages), headers }), asks };
}
const KINDS = 1 + OF_2026.length + PAGES.length;

/** The answers in the order of what was asked; one that is missing is empty. */
function answersIn(body: string, asks: Probe['asks']): string[] {
  if (asks.length === 1) return [plain(body, (asks[0] as Probe['asks'][number]).ids)];
  const answers = asks.map(() => '');
  for (const [, line = ''] of body.matchAll(/^data: (\{.*\})$/gm)) {
    const { id } = JSON.parse(line) as { readonly id?: number };
    const ids = asks[id ?? -1]?.ids;
    if (id !== undefined && ids) answers[id] = plain(line, ids).replace(`"id":${id}`, '"id":0');
  }
  return answers;
}

async function teamsOf(fleet: Fleet, callers: readonly Caller[]): Promise<Team[]> {
  const teams: Team[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let at = next++; at < callers.length; at = next++) {
      const caller = callers[at] as Caller;
      const client = fleet.client(caller, caller.team);
      const plan_id = await client.plan();
      const listed = await client.call('list_projects', {});
      const [project] = (listed?.body['data'] ?? []) as { id: string }[];
      const job = await client.submitSurely('bulk_generate_access_codes', batchOf(plan_id, 1), 'a');
      const view = await client.ended(job);
      const { batch_id } = JSON.parse(view.outcome ?? '{}') as { batch_id: string };
      const [code = ''] = await client.codes(view);
      const ids = { plan_id, project_id: project?.id ?? '', batch_id, code };
      teams[at] = { ...caller, ids: { ...ids, job_id: job, cursor: cursorOf(job) } };
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return teams;
}

/** Every other team gets a job that is still queued, so that there is something to cancel. */
async function withOpenJobs(fleet: Fleet, teams: readonly Team[]): Promise<Team[]> {
  await kill(fleet.server);
  await fleet.start({ workers: 0 });
  return Promise.all(
    teams.map(async (team, at) => {
      if (at % 2 === 0) return team;
      const client = fleet.client(team, team.team);
      const args = batchOf(team.ids.plan_id, 1);
      const job_id = await client.submitSurely('bulk_generate_access_codes', args, 'b');
      return { ...team, ids: { ...team.ids, job_id, cursor: cursorOf(job_id) } };
    }),
  );
}

async function strangers(run: FaultRun): Promise<Outcome> {
  const at = await place(run.t, run.engine, tmpdir());
  const callers = await at.callers(Math.max(4, Math.min(TEAMS_MAX, Math.round(run.count / 100))));
  const fleet = new Fleet(run.t, at, { application: 'codes', workers: 2, concurrency: 4 });
  await fleet.start();
  const teams = await withOpenJobs(fleet, await teamsOf(fleet, callers));
  const before = JSON.stringify(await at.remains());
  const { url } = fleet;
  const random = new Seeded(run.seed);
  /** What is told about nothing at all, by what was asked. */
  const reference = new Map<string, string>();
  const learn = new Wire(url);
  for (let kind = 0; kind < KINDS; kind += 1) {
    const ids = Array.from({ length: kind === 0 ? BATCH : 1 }, () => nobodys());
    const { text, asks } = probe(url, teams[0]?.token ?? '', { kind, ids });
    const answers = answersIn((await learn.ask(text)).body, asks);
    for (const [i, { what }] of asks.entries()) reference.set(what, answers[i] ?? '');
  }
  learn.close();
  const violations = [...reference]
    .filter(([, told]) => told === '')
    .map(([what]) => `${what}: no answer`);
  let [probes, foreign, failed] = [0, 0, 0];
  const lane = async (): Promise<void> => {
    const wire = new Wire(url);
    while (probes < run.count && violations.length < 20) {
      const kind = random.isTrue(0.5) ? 0 : random.below(KINDS);
      const who = random.of(teams);
      const ids = Array.from({ length: kind === 0 ? BATCH : 1 }, () => {
        const of = random.of(teams);
        const isForeign = of !== who && random.isTrue(0.9);
        if (isForeign) foreign += 1;
        return isForeign ? of.ids : nobodys(random.below(1e9).toString().padStart(26, '0'));
      });
      const { text, asks } = probe(url, who.token, { kind, ids });
      probes += asks.length;
      const answers = answersIn((await wire.ask(text)).body, asks);
      for (const [i, { what }] of asks.entries()) {
        if (answers[i] === '') failed += 1;
        else if (answers[i] !== reference.get(what))
          violations.push(`${what}: ${answers[i]} is not ${reference.get(what)}`);
      }
    }
    wire.close();
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  if (failed > 0) violations.push(`${failed} probes were not answered`);
  if (JSON.stringify(await at.remains()) !== before) violations.push('something was changed');
  violations.push(...(await ownSeen(url, teams[0], reference)));
  return {
    runs: probes,
    counted: {
      teams: teams.length,
      'of them about what others have': foreign,
      'kinds of questions (max)': reference.size,
    },
    violations,
  };
}

/** Who asks for its own is told something else, or the probes would prove nothing. */
async function ownSeen(
  url: string,
  team: Team | undefined,
  reference: ReadonlyMap<string, string>,
): Promise<string[]> {
  if (!team) return [];
  const wire = new Wire(url);
  const { text, asks } = probe(url, team.token, {
    kind: 0,
    ids: OF_2025.map(() => team.ids),
  });
  const answers = answersIn((await wire.ask(text)).body, asks);
  wire.close();
  return asks
    .filter(
      ({ what }, i) => answers[i] === reference.get(what) && !/list_jobs|answer_job/.test(what),
    )
    .map(({ what }) => `${what}: what is one's own is answered like nothing`);
}

export const STRANGERS: Readonly<Record<string, Fault>> = {
  F24: {
    title: `${TEAMS_MAX} teams that ask for the things of other teams, by every tool, method and address`,
    bar: '0 leaks: foreign is answered like unknown, byte for byte but the request id; nothing is changed',
    engines: ENGINES,
    full: 1_000_000,
    piece: 250_000,
    quick: 4_000,
    run: strangers,
  },
};
