/** Rights that end while they are used: tokens that are revoked, run out or are replaced. */
import { tmpdir } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { monotonic, now } from '../../src/job/clock.ts';
import type { Store } from '../../src/store/store.ts';
import { createToken, revokeToken, type MintedToken } from '../../src/team/mint.ts';
import { until } from '../support/until.ts';
import { percentile, type Fault, type FaultRun, type Outcome } from './fault.ts';
import { Fleet } from './fleet.ts';
import { openAt } from './address.ts';
import { ENGINES, place } from './place.ts';
import { callText, modernText, requestText, Wire, type Told } from './wire.ts';

const PROCESSES = 4;
/** Streams and waits of one token that is about to end, over all processes. */
const OPEN = 100;
const REFUSED_MS = 1_000;
const CLOSED_MS = 5_000;
const EXPIRES_MS = 3_000;
const WAYS = ['revoked', 'expired', 'replaced'] as const;

/** Everything that stays open for as long as the job runs. */
const KINDS: readonly ((url: string, token: string, job: string) => string)[] = [
  (url, token, job) =>
    modernText(url, token, 'subscriptions/listen', { notifications: { taskIds: [job] } }),
  (url, token, job) => callText(url, token, 'get_job_status', { job_id: job, wait_seconds: 25 }),
  (url, token, job) => oldText(url, token, 'tasks/result', { taskId: job }),
];
/** Of these nothing is seen before their end. */
const WAITS_SILENTLY = 1;
/** What a wait is told at its end; `tasks/result` calls the task unknown from then on. */
const TOLD = /AUTHENTICATION_REQUIRED|No such task is visible/;

function oldText(url: string, token: string, method: string, params: object): string {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
  return requestText(url, { token, body, headers: { 'MCP-Protocol-Version': '2025-11-25' } });
}

interface Scene {
  readonly store: Store;
  readonly urls: readonly string[];
  /** A job that nobody runs, which a client of 2025 called as a task. */
  readonly job: string;
}

interface Times {
  readonly refused: number[];
  readonly closed: number[];
}

async function scene(run: FaultRun): Promise<Scene> {
  const at = await place(run.t, run.engine, tmpdir());
  const [caller] = await at.callers(1);
  if (!caller) throw new Error('nobody calls');
  const fleets = Array.from(
    { length: PROCESSES },
    () => new Fleet(run.t, at, { application: 'works', workers: 0 }),
  );
  for (const fleet of fleets) await fleet.start();
  const urls = fleets.map(({ url }) => url);
  const [url = ''] = urls;
  const asTask = { name: 'gated', arguments: { key: 'k' }, task: { ttl: 600_000 } };
  const wire = new Wire(url);
  const { body } = await wire.ask(oldText(url, caller.token, 'tools/call', asTask));
  wire.close();
  const [job] = /mjb_[0-9A-Z]{26}/.exec(body) ?? [];
  if (job === undefined) throw new Error(`no task was made: ${body}`);
  const store = await openAt(at, true);
  run.t.after(() => store.close());
  return { store, urls, job };
}

/** Until a process refuses the token, from now. */
async function refusal(url: string, token: string): Promise<void> {
  const wire = new Wire(url);
  const text = oldText(url, token, 'tools/list', {});
  await until('the token is refused', async () => (await wire.ask(text)).status === 401, {
    ms: 20_000,
    everyMs: 5,
  });
  wire.close();
}

function mint(store: Store, more: { expiresAt?: number } = {}): Promise<MintedToken> {
  return createToken(store, { team: 'team 0', owner: 'ann', abilities: ['*'], ...more });
}

/** One token ends in one way, in the middle of its streams. */
async function endOf(here: Scene, way: (typeof WAYS)[number], times: Times): Promise<string[]> {
  const { store, urls, job } = here;
  const expiresAt = now() + EXPIRES_MS;
  const { token, id } = await mint(store, way === 'expired' ? { expiresAt } : {});
  const wires: Wire[] = [];
  const closed: Promise<{ told: Told; at: number; kind: number }>[] = [];
  for (let i = 0; i < OPEN; i += 1) {
    const url = urls[i % urls.length] ?? '';
    const kind = Math.floor(i / urls.length) % KINDS.length;
    const wire = new Wire(url);
    wires.push(wire);
    const text = KINDS[kind]?.(url, token, job) ?? '';
    const { ended } = kind < WAITS_SILENTLY ? await wire.listen(text) : { ended: wire.ask(text) };
    closed.push(ended.then((told) => ({ told, at: monotonic(), kind })));
  }
  let early = 0;
  for (const one of closed) void one.then(() => (early += 1));
  await pause(300);
  const violations = early > 0 ? [`${way}: ${early} of ${OPEN} ended before the token did`] : [];
  const next = way === 'replaced' ? await mint(store) : null;
  if (way === 'expired') await pause(Math.max(0, expiresAt - now()));
  else await revokeToken(store, id);
  const endedAt = monotonic();
  await Promise.all(
    urls.map(async (url) => {
      await refusal(url, token);
      times.refused.push(monotonic() - endedAt);
    }),
  );
  const open = new Set(closed.map((_, at) => at));
  await Promise.race([
    Promise.all(closed.map((one, at) => one.then(() => open.delete(at)))),
    pause(CLOSED_MS + 3_000),
  ]);
  for (const at of open)
    violations.push(`${way}: kind ${Math.floor(at / urls.length) % KINDS.length} stays open`);
  const ended = await Promise.all(closed.filter((_, at) => !open.has(at)));
  for (const { told, at, kind } of ended) {
    times.closed.push(at - endedAt);
    if (kind >= WAITS_SILENTLY && !TOLD.test(told.body))
      violations.push(`${way}: a wait was answered ${told.status} ${told.body.slice(0, 200)}`);
  }
  if (next) violations.push(...(await refused(urls, next.token)));
  for (const wire of wires) wire.close();
  return violations;
}

/** Processes that do not take the new token at once. */
async function refused(urls: readonly string[], token: string): Promise<string[]> {
  const told = await Promise.all(
    urls.map((url) => new Wire(url).ask(oldText(url, token, 'tools/list', {}))),
  );
  return told.filter(({ status }) => status !== 200).map(({ status }) => `a new token: ${status}`);
}

async function endings(run: FaultRun): Promise<Outcome> {
  const here = await scene(run);
  const times: Times = { refused: [], closed: [] };
  const violations: string[] = [];
  for (let i = 0; i < run.count; i += 1) {
    const way = WAYS[(run.seed + i) % WAYS.length] ?? 'revoked';
    violations.push(...(await endOf(here, way, times)));
  }
  const [slowest, latest] = [Math.max(...times.refused), Math.max(...times.closed)];
  if (slowest > REFUSED_MS) violations.push(`refused after ${Math.round(slowest)} ms`);
  if (latest > CLOSED_MS) violations.push(`closed after ${Math.round(latest)} ms`);
  return {
    runs: run.count,
    counted: {
      'processes (max)': PROCESSES,
      'streams and waits': times.closed.length,
      'refused within ms (max)': Math.round(slowest),
      'closed within ms (p50)': percentile(times.closed, 0.5),
      'closed within ms (max)': Math.round(latest),
    },
    violations: [...new Set(violations)],
  };
}

export const RIGHTS: Readonly<Record<string, Fault>> = {
  F27: {
    title: `a token is revoked, runs out or is replaced during ${OPEN} streams and waits in ${PROCESSES} processes`,
    bar: 'refused within 1 s by every process, streams and waits closed within 5 s; a new token is taken at once',
    engines: ENGINES,
    alone: true,
    full: 12,
    piece: 3,
    quick: 1,
    run: endings,
  },
};
