/** Processes of a run, and clients that write down what they ask for and what they are told. */
import { setTimeout as pause } from 'node:timers/promises';
import { callTool, request, type Fields, type ToolAnswer } from '../contract/wire.ts';
import { isAlive, startScript, type Script, type StartOptions } from '../support/child.ts';
import { isFields } from '../contract/wire.ts';
import { until } from '../support/until.ts';
import type { Ending } from '../support/temp.ts';
import type { Cable } from './cable.ts';
import { done, History, type View } from './history.ts';
import type { NodeOptions } from './node.ts';
import type { Caller, Place } from './place.ts';

const NODE = new URL('./node.ts', import.meta.url);
const OPENS_MS = 30_000;
const ANSWERS_MS = 30_000;

export type FleetOptions = Partial<Omit<NodeOptions, 'engine' | 'folder' | 'role'>>;

/** A server whose address outlives it, workers beside it, and the history of all. */
export class Fleet {
  readonly history = new History();
  readonly clients: Client[] = [];
  readonly place: Place;
  /** Codes of errors that clients were told, and whether they might have asked again each time. */
  readonly refusals = new Map<string, boolean>();
  /** The way of the clients to the server; null is the straight one. */
  cable: Cable | null = null;
  readonly #t: Ending;
  readonly #options: FleetOptions;
  #server: Script | null = null;
  #port = 0;
  #url = '';
  /** Every process that there ever was, with how much of what it said is written down. */
  readonly #told = new Map<Script, number>();

  constructor(t: Ending, at: Place, options: FleetOptions = {}) {
    this.#t = t;
    this.place = at;
    this.#options = options;
  }

  /** Where clients reach the server. */
  get url(): string {
    return this.cable?.through(this.#url) ?? this.#url;
  }

  get server(): Script {
    if (!this.#server) throw new Error('there is no server');
    return this.#server;
  }

  /** Start the server, where it was before; `how` it is started says what it has to suffer. */
  async start(more: FleetOptions = {}, how: StartOptions = {}): Promise<Script> {
    const script = this.#spawn('server', { ...more, port: this.#port }, how);
    this.#server = script;
    const { url } = (await script.said('open', OPENS_MS)) as unknown as { url: string };
    this.#url = url;
    this.#port = Number(new URL(url).port);
    return script;
  }

  async guest(
    role: 'guest' | 'inside',
    more: FleetOptions = {},
    how: StartOptions = {},
  ): Promise<Script> {
    const script = this.#spawn(role, more, how);
    await script.said('open', OPENS_MS);
    return script;
  }

  #spawn(role: NodeOptions['role'], more: FleetOptions, how: StartOptions): Script {
    const { engine, at, folder } = this.place;
    const given = { application: 'works', at, ...this.#options, ...more, engine, folder, role };
    const script = startScript(this.#t, NODE, given, how);
    this.#told.set(script, 0);
    return script;
  }

  /** Write down what the processes said since the last time; called before a check. */
  collect(): void {
    for (const [script, from] of this.#told) {
      const { lines, pid } = script;
      for (const line of lines.slice(from)) {
        const { event, id, lease } = line as { event: string; id: string; lease: string };
        if (event === 'claimed') {
          const run = line['runs'] as number;
          const at = line['at'] as number;
          const value = { job: id, lease, run };
          this.history.heard<'claim'>(`node ${pid}`, { at, deed: { op: 'claim' }, value });
        } else if (event === 'settled') {
          const deed = { op: 'settle', job: id, lease, to: String(line['to']) } as const;
          const at = line['at'] as number;
          const value = { applied: line['outcome'] === 'applied' };
          this.history.heard<'settle'>(`node ${pid}`, { at, deed, value });
        }
      }
      this.#told.set(script, lines.length);
    }
  }

  /** Who claimed each of these jobs first, by the keys that they were submitted under. */
  claimed(keys: readonly string[], ids: readonly string[]): { key: string; process: string }[] {
    this.collect();
    const claims = done(this.history.entries, 'claim');
    return keys.map((key, i) => {
      const claim = claims.find(({ value }) => value.job === ids[i]);
      return { key, process: claim?.process ?? '' };
    });
  }

  /** Everything that any process said of itself. */
  logs(): string {
    return [...this.#told.keys()]
      .map((script) => script.stderr() + JSON.stringify(script.lines))
      .join('\n');
  }

  client(caller: Caller, name: string): Client {
    const client = new Client(this, caller, name);
    this.clients.push(client);
    return client;
  }

  /** What may stand nowhere but in the hands of the clients. */
  secrets(): string[] {
    return [...new Set(this.clients.flatMap((one) => [one.caller.token, ...one.known]))];
  }
}

export async function kill(script: Script): Promise<void> {
  script.kill('SIGKILL');
  await script.ended;
}

/** Worker processes below this one, by what the system says. */
export { isAlive };

/** So many codes of a client are looked for where they must not be. */
const KNOWN_MAX = 20;
const UNKNOWN = new Set(['STORE_UNKNOWN', 'INTERNAL_ERROR', 'TIMEOUT']);

export class Client {
  readonly #fleet: Fleet;
  readonly caller: Caller;
  readonly #name: string;
  /** Some of the codes that it was given. */
  readonly known: string[] = [];

  constructor(fleet: Fleet, caller: Caller, name: string) {
    this.#fleet = fleet;
    this.caller = caller;
    this.#name = name;
  }

  /** Call a tool past the history; an unreachable server is null. */
  async call(tool: string, args: Fields): Promise<ToolAnswer | null> {
    const peer = { url: this.#fleet.url, token: this.caller.token };
    const options = { timeoutMs: ANSWERS_MS };
    const answer = await callTool(peer, tool, args, options).catch(() => null);
    const error = answer?.body['error'];
    if (isFields(error)) {
      const code = String(error['code']);
      const isRetryable = isFields(error['context']) && error['context']['retryable'] === true;
      this.#fleet.refusals.set(code, isRetryable && (this.#fleet.refusals.get(code) ?? true));
    }
    return answer;
  }

  /** The `data` of a tool that must succeed. */
  async data(tool: string, args: Fields): Promise<Fields> {
    const answer = await this.call(tool, args);
    const data = answer?.body['data'];
    if (!isFields(data))
      throw new Error(`${tool} answered ${JSON.stringify(answer?.body ?? null)}`);
    return data;
  }

  /** @returns the job, or null when it was refused or nobody knows */
  async submit(tool: string, args: Fields, key: string | null = null): Promise<string | null> {
    const { team, owner } = this.caller;
    const text = JSON.stringify(args);
    const deed = { op: 'submit', team, owner, tool, key, args: text } as const;
    const invoked = this.#fleet.history.invoke<'submit'>(this.#name, deed);
    const answer = await this.call(tool, key === null ? args : { ...args, idempotency_key: key });
    const data = answer?.body['data'];
    if (isFields(data)) {
      const job = String(data['job_id']);
      invoked.ok({ job });
      return job;
    }
    const code = codeOf(answer);
    if (code === null || UNKNOWN.has(code)) invoked.unknown(code ?? 'no answer');
    else invoked.fail(code);
    return null;
  }

  /** Submit under a key until it is known what became of it. */
  async submitSurely(tool: string, args: Fields, key: string, ms = 30_000): Promise<string> {
    return until('the submission is answered', () => this.submit(tool, args, key), {
      ms,
      everyMs: 50,
    });
  }

  /** @returns what was seen; null when nothing was answered */
  async poll(job: string, waitSeconds = 0): Promise<View | null> {
    const { team, owner } = this.caller;
    const deed = { op: 'poll', team, owner, job } as const;
    const invoked = this.#fleet.history.invoke<'poll'>(this.#name, deed);
    const wait = waitSeconds > 0 ? { wait_seconds: waitSeconds } : {};
    const answer = await this.call('get_job_status', { job_id: job, ...wait });
    const data = answer?.body['data'];
    if (isFields(data)) {
      const view = viewOf(data);
      invoked.ok(view);
      return view;
    }
    if (codeOf(answer) === 'RESOURCE_NOT_FOUND') invoked.ok(null);
    else invoked.unknown(codeOf(answer) ?? 'no answer');
    return null;
  }

  /** Look at a job both ways; where nothing happened in between, the two views have to agree. */
  async compare(job: string): Promise<void> {
    const before = await this.poll(job);
    const { team, owner, token } = this.caller;
    const deed = { op: 'poll', team, owner, job } as const;
    const invoked = this.#fleet.history.invoke<'poll'>(this.#name, deed);
    const peer = { url: this.#fleet.url, token };
    const answer = await request(peer, 'tasks/get', { taskId: job }).catch(() => null);
    const tool = await this.call('get_job_status', { job_id: job });
    const [task, data] = [answer?.message['result'], tool?.body['data']];
    if (!isFields(task) || !isFields(data)) return invoked.unknown('not both were answered');
    const view = viewOf(data);
    const isStill = before?.status === view.status;
    const updatedAt = String(task['lastUpdatedAt']);
    invoked.ok({ ...view, updatedAt, ...(isStill && { task: String(task['status']) }) });
  }

  async ended(job: string, ms = 30_000): Promise<View> {
    return until(
      `${job} has ended`,
      async () => {
        const view = await this.poll(job);
        return view !== null && ['completed', 'failed'].includes(view.status) && view;
      },
      { ms, everyMs: 20 },
    );
  }

  async cancel(job: string): Promise<void> {
    const deed = { op: 'cancel', team: this.caller.team, job } as const;
    const invoked = this.#fleet.history.invoke<'cancel'>(this.#name, deed);
    const answer = await this.call('cancel_job', { job_id: job });
    const data = answer?.body['data'];
    if (isFields(data)) {
      invoked.ok(null);
      // What it was told is how the job ended, whoever ended it.
      const { team, owner } = this.caller;
      const seen = { op: 'poll', team, owner, job } as const;
      this.#fleet.history.saw<'poll'>(this.#name, seen, viewOf(data));
      return;
    }
    const code = codeOf(answer);
    if (code === null || UNKNOWN.has(code)) invoked.unknown(code ?? 'no answer');
    else invoked.fail(code);
  }

  async redeem(code: string, subscriber: string): Promise<'won' | 'lost' | 'unknown'> {
    const deed = { op: 'redeem', team: this.caller.team, code, subscriber } as const;
    const invoked = this.#fleet.history.invoke<'redeem'>(this.#name, deed);
    const answer = await this.call('redeem_access_code', { code, subscriber_id: subscriber });
    const data = answer?.body['data'];
    if (isFields(data)) {
      invoked.ok({ subscription: String(data['subscription_id']) });
      return 'won';
    }
    const failure = codeOf(answer);
    if (failure === 'RESOURCE_NOT_FOUND') {
      invoked.fail(failure);
      return 'lost';
    }
    invoked.unknown(failure ?? 'no answer');
    return 'unknown';
  }

  /** Ask for something that must look like nothing. */
  async probe(job: string, kind: 'foreign' | 'unknown'): Promise<void> {
    for (const tool of ['get_job_status', 'cancel_job']) {
      const deed = { op: 'probe', kind, method: tool } as const;
      const invoked = this.#fleet.history.invoke<'probe'>(this.#name, deed);
      const answer = await this.call(tool, { job_id: job });
      // That the database is away is told to everybody alike, and may be so at one moment only.
      if (answer === null || codeOf(answer)?.startsWith('STORE_')) continue;
      const text = answer.text.replaceAll(job, 'ID').replaceAll(/req_[0-9A-Z]+/g, 'REQ');
      invoked.ok({ answer: text });
    }
  }

  async list(): Promise<void> {
    const deed = { op: 'list', team: this.caller.team } as const;
    const invoked = this.#fleet.history.invoke<'list'>(this.#name, deed);
    const answer = await this.call('list_jobs', {});
    const data = answer?.body['data'];
    if (!Array.isArray(data)) return;
    invoked.ok({ jobs: data.map((row) => String((row as Fields)['job_id'])) });
  }

  /** A project with a plan to make codes of. */
  async plan(): Promise<string> {
    const { id: project } = await this.data('create_project', { name: 'Club' });
    const { id } = await this.data('create_plan', {
      project_id: project,
      name: 'Gold monthly',
      price: '29.00',
      currency: 'USD',
      billing_cycle: 'months',
      billing_cycle_count: 1,
    });
    return String(id);
  }

  /** The codes of a completed batch, as its owner downloads them. */
  async codes(view: View): Promise<string[]> {
    const { download_url: url } = JSON.parse(view.outcome ?? '{}') as { download_url: string };
    const response = await fetch(url, {
      headers: { authorization: `Bearer ${this.caller.token}` },
    });
    const text = await response.text();
    const codes = text
      .split('\r\n')
      .slice(1, -1)
      .map((line) => line.split(',')[0] ?? '');
    if (this.known.length < KNOWN_MAX) this.known.push(...codes.slice(0, 5));
    return codes;
  }
}

export function batchOf(plan: string, quantity: number): Fields {
  return { plan_id: plan, quantity, export_type: 'file', expiry_preset: 'no_expiry' };
}

function codeOf(answer: ToolAnswer | null): string | null {
  const error = answer?.body['error'];
  return isFields(error) ? String(error['code']) : null;
}

function viewOf(data: Fields): View {
  const status = data['status'] as View['status'];
  const end = status === 'completed' ? data['result'] : status === 'failed' ? data['error'] : null;
  // A poll names itself in an error; what ended the job is everything else.
  const outcome = end === null ? null : JSON.stringify(end).replaceAll(/req_[0-9A-Z]+/g, 'REQ');
  return { status, outcome, attempt: data['attempts'] as number };
}

/** Wait a little, as clients do. */
export const breathe = (ms: number): Promise<void> => pause(ms);
