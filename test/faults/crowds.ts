/** Very many connections at once: some poll too often, some are slow on purpose, some say nothing. */
import { tmpdir } from 'node:os';
import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { monotonic } from '../../src/job/clock.ts';
import {
  inLanes,
  percentile,
  withEnding,
  type Fault,
  type FaultRun,
  type Outcome,
} from './fault.ts';
import { Fleet, type FleetOptions } from './fleet.ts';
import { together } from './sums.ts';
import { asked, p99, rssMb, unanswered } from './measure.ts';
import { ENGINES, place, type Caller } from './place.ts';
import { callText, requestText, Wire, type Told } from './wire.ts';

const CONNECTIONS = 1_000;
const CLOSED_MS = 15_000;
const GROWN_MB = 50;
/** Below this a p99 is good, whatever it was when nothing else happened. */
const GOOD_MS = 20;
/** After so many calls memory is collected as fast as it is used. */
const WARMING = 10_000;
/** Other programs share the processor: of so many tries the best counts. */
const TRIES = 3;

interface Scene {
  readonly fleet: Fleet;
  readonly callers: readonly Caller[];
  readonly caller: Caller;
}

async function scene(run: FaultRun, options: FleetOptions, teams = 1): Promise<Scene> {
  const at = await place(run.t, run.engine, tmpdir());
  const callers = await at.callers(teams);
  const [caller] = callers;
  if (!caller) throw new Error('nobody calls');
  const fleet = new Fleet(run.t, at, { application: 'works', ...options });
  await fleet.start();
  return { fleet, callers, caller };
}

type Slowness = 'header' | 'body' | 'read' | 'silence';

/** A connection that is slow in its way, for as long as it is let. */
function slowOne(url: URL, token: string, how: Slowness): Socket {
  const socket = connect(Number(url.port), url.hostname);
  let timer: NodeJS.Timeout | undefined;
  const drip = (start: string, more: string) => {
    socket.write(start);
    timer = setInterval(() => socket.writable && socket.write(more), 1_000);
  };
  const host = `Host: ${url.host}\r\n`;
  if (how === 'header') drip(`POST /mcp HTTP/1.1\r\n${host}X-`, 'a');
  if (how === 'body') {
    const head = `Authorization: Bearer ${token}\r\nContent-Type: application/json\r\n`;
    drip(`POST /mcp HTTP/1.1\r\n${host}${head}Content-Length: 100000\r\n\r\n{`, ' ');
  }
  // Nothing of its answers is read.
  if (how === 'read') {
    drip(`GET /errors HTTP/1.1\r\n${host}\r\n`.repeat(2), 'G');
    socket.pause();
  } else socket.resume();
  socket.on('error', () => {}).once('close', () => clearInterval(timer));
  return socket;
}

/** A thousand slow connections, and what usual clients notice of them. */
async function slowCrowd(run: FaultRun, how: Slowness): Promise<Outcome> {
  const { fleet, caller } = await scene(run, { workers: 0 });
  const { url, server } = fleet;
  const text = () => callText(url, caller.token, 'list_jobs', { limit: 1 });
  const usual = () => asked({ url, text, count: 300, everyMs: 5 });
  const memory: number[] = [];
  const look = setInterval(() => memory.push(rssMb(server.pid)), 100);
  // Memory also grows by usual calls, up to where it is collected, and by as many answers at once.
  await inLanes(
    8,
    8,
    async () => void (await asked({ url, text, count: WARMING / 8, everyMs: 0 })),
  );
  if (how === 'read') await readCrowd(url, caller.token);
  const idle = await best(usual);
  const before = percentile(memory.splice(0).slice(-20), 0.5);
  const startedAt = monotonic();
  const times: number[] = [];
  const sockets = Array.from({ length: CONNECTIONS }, () => {
    const socket = slowOne(new URL(url), caller.token, how);
    socket.once('close', () => times.push(monotonic() - startedAt));
    return socket;
  });
  run.t.after(() => sockets.forEach((socket) => socket.destroy()));
  await pause(1_000);
  const busy = await best(usual);
  while (times.length < CONNECTIONS && monotonic() - startedAt < CLOSED_MS + 10_000)
    await pause(50);
  clearInterval(look);
  const grown = percentile(memory, 0.5) - before;
  const last = times.length < CONNECTIONS ? Infinity : Math.round(Math.max(...times));
  const violations = [...idle.violations, ...busy.violations];
  if (last > CLOSED_MS) violations.push(`the last of ${times.length} was closed after ${last} ms`);
  if (busy.ms > Math.max(2 * idle.ms, GOOD_MS))
    violations.push(`p99 of usual clients is ${busy.ms} ms, ${idle.ms} ms without them`);
  if (grown > GROWN_MB) violations.push(`memory grew by ${grown} MB`);
  return {
    runs: 1,
    counted: {
      [`${how}: closed within ms`]: last,
      [`${how}: usual p99 ms, idle`]: idle.ms,
      [`${how}: usual p99 ms, meanwhile`]: busy.ms,
      [`${how}: memory MB`]: grown,
    },
    violations: violations.map((what) => `${how}: ${what}`),
  };
}

/** The same answers to as many connections, each of which is read and closed. */
async function readCrowd(url: string, token: string): Promise<void> {
  const text = requestText(url, { token, method: 'GET', path: '/errors' });
  const crowd = Array.from({ length: CONNECTIONS }, async () => {
    const wire = new Wire(url);
    await Promise.all([wire.ask(text), wire.ask(text)]);
    wire.close();
  });
  await Promise.all(crowd);
}

async function best(
  once: () => Promise<readonly Told[]>,
): Promise<{ ms: number; violations: readonly string[] }> {
  const tries: (readonly Told[])[] = [];
  for (let i = 0; i < TRIES; i += 1) tries.push(await once());
  return { ms: Math.min(...tries.map(p99)), violations: unanswered('usual', tries.flat()) };
}

const SLOWNESSES: readonly Slowness[] = ['header', 'body', 'read', 'silence'];

async function slowCrowds(run: FaultRun): Promise<Outcome> {
  const outcomes: Outcome[] = [];
  for (let i = 0; i < run.count; i += 1) {
    const how = SLOWNESSES[(run.seed + i) % SLOWNESSES.length] ?? 'header';
    outcomes.push(await withEnding((t) => slowCrowd({ ...run, t }, how)));
  }
  return { ...together(outcomes), runs: run.count * CONNECTIONS };
}

const POLLERS = 2_000;
/** Each polls so often, whatever it was told: 500 polls a second of all. */
const POLLS_EVERY_MS = 4_000;

/** Polls of all for so long; who is not answered yet does not ask again. */
async function polled(
  wires: readonly Wire[],
  text: string,
  everyMs: number,
  ms: number,
): Promise<Told[]> {
  const told: Told[] = [];
  const endsAt = monotonic() + ms;
  await Promise.all(
    wires.map(async (wire, at) => {
      await pause((everyMs * at) / wires.length);
      while (monotonic() < endsAt) {
        const nextAt = monotonic() + everyMs;
        told.push(await wire.ask(text));
        await pause(Math.max(0, nextAt - monotonic()));
      }
    }),
  );
  return told;
}

async function pollStorm(run: FaultRun): Promise<Outcome> {
  const { fleet, caller } = await scene(run, { workers: 1 });
  const { url } = fleet;
  const client = fleet.client(caller, 'ann');
  const job = await client.submitSurely('quick', { key: 'polled' }, 'polled');
  await client.ended(job);
  let count = 0;
  const submit = () =>
    callText(url, caller.token, 'quick', { key: `k${(count += 1)}`, idempotency_key: `k${count}` });
  const enqueue = () => asked({ url, text: submit, count: 150, everyMs: 15 });
  await enqueue();
  const idle = await best(enqueue);
  const wires = Array.from({ length: POLLERS }, () => new Wire(url));
  const text = callText(url, caller.token, 'get_job_status', { job_id: job });
  // Everybody connects at once, which is no poll yet.
  await polled(wires, text, POLLS_EVERY_MS, POLLS_EVERY_MS);
  const seconds = Math.max(10, run.count / 500);
  const polls = polled(wires, text, POLLS_EVERY_MS, seconds * 1_000);
  const busy = await best(enqueue);
  const told = await polls;
  for (const wire of wires) wire.close();
  const violations = [...idle.violations, ...busy.violations, ...unanswered('polls', told)];
  if (busy.ms > Math.max(2 * idle.ms, GOOD_MS))
    violations.push(`p99 of a submission is ${busy.ms} ms, ${idle.ms} ms without the storm`);
  if (p99(told) > GOOD_MS) violations.push(`p99 of a poll is ${p99(told)} ms`);
  return {
    runs: told.length,
    counted: {
      pollers: POLLERS,
      'polls a second': Math.round(told.length / seconds),
      'poll p50 ms': percentile(
        told.map(({ ms }) => ms),
        0.5,
      ),
      'poll p99 ms': p99(told),
      'submission p99 ms, idle': idle.ms,
      'submission p99 ms, stormed': busy.ms,
    },
    violations,
  };
}

const TOKENS = 50;
const FAST_MS = 8_000;

/** The same, as fast as answers come, under the limit that a server has when nothing is said. */
async function limitedStorm(run: FaultRun): Promise<Outcome> {
  const { fleet, callers } = await scene(run, { workers: 1, rateLimit: 120 }, TOKENS + 1);
  const { url } = fleet;
  const [caller, ...pollers] = callers;
  const nobodys = { job_id: 'mjb_01HX0000000000000000000000' };
  const texts = pollers.map(({ token }) => callText(url, token, 'get_job_status', nobodys));
  const told: Told[] = [];
  const endsAt = monotonic() + FAST_MS;
  const lanes = Array.from({ length: POLLERS }, async (_, at) => {
    const wire = new Wire(url);
    while (monotonic() < endsAt) told.push(await wire.ask(texts[at % TOKENS] ?? ''));
    wire.close();
  });
  await pause(1_000);
  const key = (i: number) => ({ key: `k${i}`, idempotency_key: `k${i}` });
  const text = (i: number) => callText(url, caller?.token ?? '', 'quick', key(i));
  const submissions = await asked({ url, text, count: 20, everyMs: 50 });
  await Promise.all(lanes);
  const refused = told.filter(({ status }) => status === 429);
  const served = told.filter(({ status }) => status === 200);
  const violations = unanswered('submissions in the storm', submissions);
  const others = told.filter(({ status }) => status !== 429);
  violations.push(...unanswered('polls as fast as they can', others));
  if (refused.some(({ head }) => !/^retry-after: *[1-9]\d*/im.test(head)))
    violations.push('a refusal does not say when to come again');
  if (served.length > TOKENS * 120 * 2) violations.push(`${served.length} polls passed the limit`);
  return {
    runs: told.length,
    counted: {
      'as fast as they can: polls a second': Math.round((told.length / FAST_MS) * 1_000),
      'told to wait (429)': refused.length,
      'submission p99 ms, as fast as they can': p99(submissions),
    },
    violations,
  };
}

async function pollStorms(run: FaultRun): Promise<Outcome> {
  const parts = [
    await withEnding((t) => pollStorm({ ...run, t })),
    await withEnding((t) => limitedStorm({ ...run, t })),
  ];
  return together(parts);
}

export const CROWDS: Readonly<Record<string, Fault>> = {
  F21: {
    title: `${POLLERS} connections that poll and do not look at the cadence`,
    bar: `at 500 polls a second p99 of a poll ≤ ${GOOD_MS} ms, of a submission ≤ 2 × idle (or ${GOOD_MS} ms); beyond the limit 429 with Retry-After`,
    engines: ENGINES,
    alone: true,
    full: 15_000,
    quick: 1_000,
    run: pollStorms,
  },
  F22: {
    title: `${CONNECTIONS} connections each that are slow with their headers, with their bodies, in reading, and that say nothing`,
    bar: `all closed within ${CLOSED_MS / 1_000} s; usual clients p99 ≤ 2 × idle (or ${GOOD_MS} ms); memory + ${GROWN_MB} MB at most`,
    engines: ENGINES,
    alone: true,
    full: 4,
    piece: 1,
    quick: 1,
    run: slowCrowds,
  },
};
