/** Callers who lose answers, all want the same code, ask for too much, or ask too often. */
import { tmpdir } from 'node:os';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { monotonic } from '../../src/job/clock.ts';
import { atRest, inLanes, percentile, type Fault, type FaultRun, type Outcome } from './fault.ts';
import { batchOf, Fleet, kill, type Client } from './fleet.ts';
import { ENGINES, place, queryDatabase, queryFile, type Caller } from './place.ts';
import { Seeded } from './random.ts';

async function begin(run: FaultRun, application: 'works' | 'codes', teams = 1) {
  const at = await place(run.t, run.engine, tmpdir());
  const callers = await at.callers(teams);
  const fleet = new Fleet(run.t, at, { application, workers: 2, concurrency: 2 });
  const clients = callers.map((caller, i) => fleet.client(caller, `client ${i}`));
  const [client] = clients;
  if (!client) throw new Error('nobody calls');
  return { at, fleet, client, clients };
}

/** The bytes of one submission. */
function submission({ token }: Caller, url: URL, args: object): string {
  const body = JSON.stringify({
    jsonrpc: '2.0',
    id: 1,
    method: 'tools/call',
    params: { name: 'quick', arguments: args },
  });
  return [
    'POST /mcp HTTP/1.1',
    `Host: ${url.host}`,
    `Authorization: Bearer ${token}`,
    'Accept: application/json, text/event-stream',
    'Content-Type: application/json',
    'MCP-Protocol-Version: 2025-11-25',
    `Content-Length: ${Buffer.byteLength(body)}`,
    '',
    body,
  ].join('\r\n');
}

/** Send a request and cut the connection after so many bytes of its answer. */
function cutAfter(url: URL, text: string, bytes: number): Promise<number> {
  return new Promise((resolve) => {
    const socket = connect(Number(url.port), url.hostname, () => {
      socket.write(text, () => {
        if (bytes === 0) socket.resetAndDestroy();
      });
    });
    let seen = 0;
    socket.on('data', (chunk) => {
      seen += chunk.length;
      if (seen >= bytes) socket.resetAndDestroy();
    });
    socket.setTimeout(3_000, () => socket.destroy());
    socket.on('error', () => {});
    socket.once('close', () => resolve(seen));
  });
}

/** The answer is cut at each of its bytes; the same key makes asking again harmless. */
async function lostAnswers(run: FaultRun): Promise<Outcome> {
  const { fleet, client } = await begin(run, 'works');
  await fleet.start();
  const url = new URL(fleet.url);
  const violations: string[] = [];
  let conflicts = 0;
  await inLanes(4, run.count, async (i) => {
    const key = `lost-${run.seed}-${i}`;
    const args = { key };
    const text = submission(client.caller, url, { ...args, idempotency_key: key });
    await cutAfter(url, text, (run.seed + i) % 1_000);
    await client.submitSurely('quick', args, key);
    await client.submitSurely('quick', args, key);
    if ((await client.submit('quick', { key, ms: 1 }, key)) === null) conflicts += 1;
  });
  if (conflicts !== run.count)
    violations.push(`${run.count - conflicts} other calls were accepted under a used key`);
  const rest = await atRest(fleet);
  if (rest.remains.jobs.length !== run.count)
    violations.push(`${run.count} keys made ${rest.remains.jobs.length} jobs`);
  return {
    runs: run.count,
    counted: { jobs: rest.remains.jobs.length, 'other arguments refused': conflicts },
    violations: [...violations, ...rest.violations],
  };
}

const BATCH = 1_000;
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
/** The value that chi-square with 31 degrees of freedom exceeds once in 100,000. */
const CHI_SQUARE_MAX = 79;

/** Sixteen workers in four processes make codes. */
async function manyCodes(run: FaultRun): Promise<Outcome> {
  const { fleet, client } = await begin(run, 'codes');
  await fleet.start({ workers: 4, concurrency: 1 });
  for (let i = 0; i < 3; i += 1) await fleet.guest('guest', { workers: 4, concurrency: 1 });
  const plan = await client.plan();
  const startedAt = monotonic();
  const jobs: string[] = [];
  for (let i = 0; i < run.count; i += 16) {
    const some = Array.from(
      { length: Math.min(16, run.count - i) },
      (_, n) => `c${run.seed}-${i + n}`,
    );
    const args = batchOf(plan, BATCH);
    jobs.push(
      ...(await Promise.all(
        some.map((key) => client.submitSurely('bulk_generate_access_codes', args, key)),
      )),
    );
  }
  const rest = await atRest(fleet, {}, 60_000 + run.count * 2_000);
  const seconds = (monotonic() - startedAt) / 1_000;
  const counts = new Map<string, number>();
  let symbols = 0;
  for (const job of jobs.slice(0, 40)) {
    const view = await client.poll(job);
    for (const code of view ? await client.codes(view) : []) {
      for (const symbol of code) {
        counts.set(symbol, (counts.get(symbol) ?? 0) + 1);
        symbols += 1;
      }
    }
  }
  const wanted = symbols / ALPHABET.length;
  const chi = ALPHABET.split('').reduce(
    (sum, symbol) => sum + ((counts.get(symbol) ?? 0) - wanted) ** 2 / wanted,
    0,
  );
  const violations = [...rest.violations];
  if (counts.size !== ALPHABET.length) violations.push(`codes use ${counts.size} symbols`);
  if (chi > CHI_SQUARE_MAX) violations.push(`chi-square of the symbols is ${chi.toFixed(1)}`);
  violations.push(
    ...(await fleet.place.acceptsTwice()).map((what) => `I6: the database takes ${what}`),
  );
  const codes = rest.remains.codes.length;
  const workers = new Set(
    fleet.history.entries.filter(({ deed }) => deed.op === 'claim').map(({ process }) => process),
  );
  return {
    runs: run.count,
    counted: {
      codes,
      'codes a second': Math.round(codes / seconds),
      'processes that claimed': workers.size,
      'chi-square (31)': chi.toFixed(1),
    },
    violations,
  };
}

/** The server dies at one code of so many, so long at most after it was first asked for. */
const KILL_EVERY = 8;
const KILL_MS = 150;

/** Many want each code; one gets it, whatever is killed meanwhile. */
async function manyRedeemers(run: FaultRun): Promise<Outcome> {
  const { fleet, client } = await begin(run, 'codes');
  await fleet.start();
  const plan = await client.plan();
  const random = new Seeded(run.seed);
  const codes: string[] = [];
  for (let i = 0; i < run.count; i += 500) {
    const quantity = Math.min(500, run.count - i);
    const job = await client.submitSurely(
      'bulk_generate_access_codes',
      batchOf(plan, quantity),
      `r${run.seed}-${i}`,
    );
    codes.push(...(await client.codes(await client.ended(job))));
  }
  const redeemers = Array.from({ length: run.count >= 20 ? 200 : 20 }, (_, n) => `sub-${n}`);
  let kills = 0;
  const killMeanwhile = async (): Promise<void> => {
    await pause(random.below(KILL_MS));
    await kill(fleet.server);
    kills += 1;
    await fleet.start({ workers: 0 });
  };
  const answers = new Set<string>();
  let asked = 0;
  for (const [i, code] of codes.entries()) {
    const order = redeemers.toSorted(() => random.next() - 0.5);
    const killed = i % KILL_EVERY === 0 ? killMeanwhile() : null;
    await Promise.all(
      order.map(async (name) => {
        for (let tries = 0; tries < 2_400; tries += 1) {
          asked += 1;
          const got = await client.redeem(code, name);
          if (got !== 'unknown') return;
          await pause(50);
        }
      }),
    );
    await killed;
  }
  for (const { deed, outcome, why } of fleet.history.entries) {
    if (deed.op === 'redeem' && outcome === 'fail') answers.add(why ?? '');
  }
  const rest = await atRest(fleet);
  const violations = [...rest.violations];
  const spent = rest.remains.subscriptions.length;
  if (spent !== codes.length) violations.push(`${codes.length} codes made ${spent} subscriptions`);
  if (answers.size > 1) violations.push(`losers are told ${[...answers].join(', ')}`);
  return { runs: codes.length, counted: { redemptions: asked, kills, winners: spent }, violations };
}

const FLOOD_MS = 20;
const OTHERS = 50;
/** Jobs that run at once. */
const CAPACITY = 8;

/** How many jobs run, at some moments. */
async function runningOf({ place: { engine, at } }: Fleet): Promise<number[]> {
  const text = `SELECT CAST(count(*) AS INTEGER) AS jobs FROM jobs WHERE status = 'running'`;
  const seen: number[] = [];
  for (let i = 0; i < 40; i += 1) {
    const [row] = await (engine === 'sqlite' ? queryFile : queryDatabase)(at, text);
    seen.push(row?.['jobs'] as number);
    await pause(20);
  }
  return seen;
}

/** How long the jobs of these teams waited to be begun, by the database. */
async function startWaits(fleet: Fleet, teams: ReadonlySet<string>): Promise<number[]> {
  const { jobs } = await fleet.place.remains();
  return jobs
    .filter(({ team_id: team, started_at: at }) => teams.has(team) && at !== null)
    .map((job) => {
      const waitedMs = (job.started_at ?? 0) - job.created_at;
      fleet.history.saw<'start'>(
        'database',
        { op: 'start', team: job.team_id, job: job.id },
        { waitedMs },
      );
      return waitedMs;
    });
}

/** One team floods, fifty others want one job each. */
async function flood(run: FaultRun): Promise<Outcome> {
  const { fleet, clients } = await begin(run, 'works', OTHERS + 1);
  await fleet.start({ workers: 2, concurrency: CAPACITY / 2, maxOutstanding: run.count });
  const [noisy, ...others] = clients;
  if (!noisy) throw new Error('nobody floods');
  const one = (client: Client, key: string) =>
    client.submitSurely('quick', { key, ms: FLOOD_MS }, key);
  for (const client of others) await client.ended(await one(client, `idle-${client.caller.team}`));
  const teams = new Set(others.map(({ caller }) => caller.team));
  const idle = percentile(await startWaits(fleet, teams), 0.99);
  const lane = async (from: number): Promise<void> => {
    for (let i = from; i < run.count; i += 16)
      await noisy.submit('quick', { key: `flood-${i}`, ms: FLOOD_MS }, `flood-${i}`);
  };
  await Promise.all(Array.from({ length: 16 }, (_, from) => lane(from)));
  // Jobs end meanwhile, so the cap is met only when more come than leave.
  const queued = await fleet.place.open();
  const running = await runningOf(fleet);
  const since = fleet.history.entries.length;
  await Promise.all(others.map((client) => one(client, `busy-${client.caller.team}`)));
  const busyIds = new Set(
    fleet.history.entries
      .slice(since)
      .flatMap(({ value }) => (value !== null && 'job' in value ? value.job : [])),
  );
  const maxMs = Math.max(1_000, 2 * idle);
  // The rest of the flood is of no interest any more.
  const rest = await atRest(fleet, {}, 60_000 + run.count * FLOOD_MS);
  const waits = rest.remains.jobs
    .filter(({ id }) => busyIds.has(id))
    .map((job) => (job.started_at ?? Infinity) - job.created_at);
  const p99 = percentile(waits, 0.99);
  const violations = [...rest.violations];
  if (queued > 2 * CAPACITY && Math.max(...running) < CAPACITY)
    violations.push(`the flood had ${Math.max(...running)} of ${CAPACITY} idle slots at most`);
  if (p99 > maxMs) violations.push(`I11: others waited ${p99} ms, at most ${maxMs} ms are allowed`);
  const capped = await cap(run, fleet, noisy);
  return {
    runs: run.count,
    counted: {
      'queued by the flood': queued,
      [`slots of ${CAPACITY} that it got alone (median)`]: percentile(running, 0.5),
      'others idle p99 ms': idle,
      'others flooded p99 ms': p99,
      'beyond the cap': capped,
    },
    violations:
      capped === 'RATE_LIMITED' ? violations : [...violations, `beyond the cap: ${capped}`],
  };
}

async function cap(run: FaultRun, fleet: Fleet, client: Client): Promise<string> {
  await kill(fleet.server);
  await fleet.start({ workers: 0, maxOutstanding: 5 });
  for (let i = 0; i < 6; i += 1)
    await client.submit('quick', { key: `cap-${run.seed}-${i}` }, `cap-${run.seed}-${i}`);
  return fleet.history.entries.at(-1)?.why ?? 'accepted';
}

export const CALLERS: Readonly<Record<string, Fault>> = {
  F16: {
    title:
      'the answer to a submission is cut at each of its bytes, then asked for again under its key',
    bar: 'one job for each key; other arguments under the key are refused',
    engines: ENGINES,
    full: 1_000,
    quick: 60,
    piece: 250,
    run: lostAnswers,
  },
  F17: {
    title: `16 workers in 4 processes make batches of ${BATCH} codes`,
    bar: '0 duplicates, exact counts, symbols evenly spread',
    engines: ENGINES,
    full: 150,
    quick: 8,
    run: manyCodes,
  },
  F18: {
    title: '200 redeemers for each code at once, with SIGKILLs of the server',
    bar: 'one winner for each code, for good; losers are told the same',
    engines: ENGINES,
    full: 1_000,
    quick: 15,
    piece: 100,
    run: manyRedeemers,
  },
  F20: {
    title: `a team floods the queue while ${OTHERS} others want one job each`,
    bar: 'others begin within max(1 s, 2 × idle); alone it gets every slot; beyond the cap a typed refusal',
    engines: ENGINES,
    alone: true,
    full: 10_000,
    quick: 300,
    run: flood,
  },
};
