/**
 * A deterministic simulation: real workers and the real store under a time that only we move. Which
 * call happens next, which answer arrives, who stalls, dies or is told nothing follows from a seed:
 * one seed is one history, the same every time.
 */
import { z } from 'zod';
import { definitionsOf, defineJob, type JobContext } from '../../src/job/definition.ts';
import { JobError } from '../../src/job/errors.ts';
import type { Job } from '../../src/job/job.ts';
import { SILENT } from '../../src/job/log.ts';
import { isFinal } from '../../src/job/states.ts';
import { cancel, faulted, handBack } from '../../src/job/transitions.ts';
import type { Who } from '../../src/job/who.ts';
import { shownStatus, taskStatus } from '../../src/mcp/status.ts';
import type { Applied, Claimed, ClaimRequest, Held, Replay } from '../../src/store/store.ts';
import { Worker, type WorkerOptions } from '../../src/worker/worker.ts';
import { check } from './checker.ts';
import { told, type Fault, type FaultRun, type Outcome } from './fault.ts';
import { History, type View } from './history.ts';
import { insertDone } from './jobs.ts';
import { Seeded } from './random.ts';
import { SimulatedStore, type Call } from './simulated-store.ts';
import { settled, VirtualTime } from './virtual-time.ts';

const LEASE_MS = 10_000;
/** Events in which things go wrong; afterwards everything has to come to its end. */
const EVENTS = 110;
/** So many are enough for any job to end. */
const CALM_EVENTS_MAX = 6_000;
const TEAMS = ['tem_a', 'tem_b'] as const;
const TOOLS = ['print', 'mail'] as const;

/** One worker, and what is known of it from outside. */
interface Node {
  readonly id: string;
  readonly worker: Worker;
  /** It has lost the floor: nothing of it goes on, and nothing reaches it. */
  isStalled: boolean;
  isStopping: boolean;
  /** Runs that it is at, by lease; and those of them that it was told to stop. */
  readonly runs: Map<string, Job>;
  readonly stopped: Set<string>;
}

interface Submitted {
  readonly id: string;
  readonly team: string;
  readonly tool: string;
  readonly args: string;
  readonly key: string | null;
}

class Simulation {
  readonly #time: VirtualTime;
  readonly #store: SimulatedStore;
  #random = new Seeded(0);
  #history = new History();
  #nodes: Node[] = [];
  #jobs: Submitted[] = [];
  #names = 0;
  #perTeam = 0;
  #isCalm = false;

  constructor(time: VirtualTime) {
    this.#time = time;
    this.#store = new SimulatedStore(time);
  }

  close(): void {
    this.#store.close();
  }

  get history(): History {
    return this.#history;
  }

  /** @returns what was found against the invariants */
  async run(seed: number): Promise<string[]> {
    this.#time.reset();
    this.#store.reset();
    this.#random = new Seeded(seed);
    this.#perTeam = this.#random.of([0, 0, 1, 2]);
    this.#history = new History();
    [this.#nodes, this.#jobs, this.#names, this.#isCalm] = [[], [], 0, false];
    for (let i = 0; i < 2; i += 1) this.#start();
    const [from, until] = this.#random.isTrue(0.1) ? [30, 31 + this.#random.below(60)] : [-1, -1];
    let restore = (): void => {};
    for (let i = 0; i < EVENTS; i += 1) {
      if (i === from) restore = this.#backup();
      if (i === until) restore();
      this.#event();
      await settled();
    }
    await this.#calm();
    const found = check(this.#history.entries, this.#store.remains()).map(told);
    return [...this.#store.wrong, ...found];
  }

  /** @returns what puts everything back, but the workers, who know nothing of it */
  #backup(): () => void {
    this.#time.pass(1);
    const restore = this.#store.backup();
    const jobs = [...this.#jobs];
    const to = this.#time.mono;
    this.#time.pass(1);
    return () => {
      this.#time.pass(1);
      restore();
      this.#jobs = jobs;
      this.#history.restore('operator', to);
      this.#time.pass(1);
    };
  }

  #start(): void {
    const random = this.#random;
    const id = `wrk_${(this.#names += 1)}`;
    this.#store.now('beat', () => this.#store.beat(id, TOOLS, random.isTrue(0.5)));
    const runs = new Map<string, Job>();
    const stopped = new Set<string>();
    const watch: WorkerOptions['watch'] = {
      begun: (job) => void runs.set(job.lease ?? '', job),
      stopped: (lease) => void stopped.add(lease),
      ended: (lease) => void runs.delete(lease),
    };
    this.#time.floor = id;
    const worker = new Worker({
      id,
      store: this.#portOf(id),
      definitions: this.#definitions,
      settings: null,
      concurrency: random.within(1, 3),
      leaseMs: LEASE_MS,
      maxRunningPerTeam: this.#perTeam,
      log: SILENT,
      watch,
    });
    this.#nodes.push({ id, worker, isStalled: false, isStopping: false, runs, stopped });
  }

  #nodeOf(id: string): Node | undefined {
    return this.#nodes.find((node) => node.id === id);
  }

  /** What a worker knows of the store. */
  #portOf(id: string): WorkerOptions['store'] {
    const store = this.#store;
    const history = this.#history;
    return {
      onDue: () => () => {},
      claim: (request: ClaimRequest) =>
        store.ask<Claimed>(id, 'claim', () => {
          const claimed = store.claim(request);
          for (const { id: job, lease, runs } of claimed.jobs) {
            const value = { job, lease: lease ?? '', run: runs };
            history.saw<'claim'>(id, { op: 'claim' }, value);
          }
          return claimed;
        }),
      apply: (job, change) => {
        // The rest before the next attempt is random in the product; here it follows from the seed.
        const isResting = change.delayMs !== undefined;
        const known = isResting ? { ...change, delayMs: this.#random.below(3_000) } : change;
        const deed = { op: 'settle', job, lease: change.lease ?? '', to: change.to } as const;
        return store.ask<Applied>(id, 'apply', () => {
          const applied = store.apply(job, known, null);
          history.saw<'settle'>(id, deed, { applied: applied.outcome === 'applied' });
          return applied;
        });
      },
      renew: (held: readonly Held[], leaseMs) =>
        store
          .ask<readonly string[]>(id, 'renew', () => store.renew(held, leaseMs))
          .then((lost) => {
            this.#expectStops(id, held, lost);
            return lost;
          }),
      progress: (held, { done }) =>
        store.ask<boolean>(id, 'progress', () => store.progress(held, done)),
    };
  }

  /** Whoever hears that a lease is lost stops that run, and no other. */
  #expectStops(id: string, held: readonly Held[], lost: readonly string[]): void {
    const node = this.#nodeOf(id);
    if (!node) return;
    const before = new Set(node.stopped);
    const leases = new Set(held.filter((one) => lost.includes(one.id)).map(({ lease }) => lease));
    const looked = async (): Promise<void> => {
      for (let turns = 0; turns < 4; turns += 1) await Promise.resolve();
      for (const [lease, { id: job }] of node.runs) {
        if (leases.has(lease) && !node.stopped.has(lease))
          this.#store.wrong.push(`I4: ${job} goes on after its lease was lost`);
        if (!leases.has(lease) && node.stopped.has(lease) && !before.has(lease))
          this.#store.wrong.push(`I10: ${job} was stopped though its lease is held`);
      }
    };
    void looked();
  }

  readonly #definitions = definitionsOf(
    Object.fromEntries(
      TOOLS.map((name) => [
        name,
        defineJob({
          name,
          description: 'Does what the seed says.',
          input: z.object({ key: z.string() }),
          output: z.object({ run: z.string(), text: z.string() }),
          attempts: 3,
          timeoutMs: 8_000,
          answerWithinMs: 20_000,
          run: (_, job) => this.#handle(job),
        }),
      ]),
    ),
  );

  async #handle(job: JobContext<null, { run: string; text: string }>) {
    const random = this.#random;
    const run = `r${(this.#names += 1)}`;
    const result = { run, text: 'x'.repeat(random.below(90)) };
    const chance = this.#isCalm ? 1 : random.next();
    if (random.isTrue(0.5)) await this.#rest(random.below(4_000));
    if (random.isTrue(0.2)) job.progress(1, 2);
    // Longer than its deadline, and deaf to being told to stop.
    if (chance < 0.08) await this.#rest(random.within(5_000, 2 * LEASE_MS));
    if (chance < 0.16) throw new Error('a fault');
    if (chance < 0.22) throw new JobError('NO_PAPER');
    if (chance < 0.32)
      await job.ask({ size: { message: 'How large?', requestedSchema: { type: 'object' } } });
    const expect = chance < 0.36 ? 2 : 1;
    return job.complete(result, [insertDone({ job: job.id, run }, { expect })]);
  }

  #rest(ms: number): Promise<void> {
    return new Promise((resolve) => {
      setTimeout(resolve, ms);
    });
  }

  #event(): void {
    const random = this.#random;
    const chance = random.next();
    if (chance < 0.12) this.#submit();
    else if (chance < 0.42) this.#happen();
    else if (chance < 0.62) this.#arrive();
    else if (chance < 0.78) this.#fire();
    else if (chance < 0.82) this.#byCaller();
    else if (chance < 0.87) this.#poll();
    else if (chance < 0.91) this.#store.now('sweep', () => this.#store.sweep());
    else if (chance < 0.94) this.#time.pass(random.within(1, LEASE_MS));
    else if (chance < 0.95) this.#time.jump(random.within(-100_000, 100_000));
    else if (chance < 0.98) this.#stall();
    else this.#leave();
  }

  readonly #isGoing = (owner: string): boolean => !(this.#nodeOf(owner)?.isStalled ?? true);

  /** Some of the calls that were asked for share a commit. */
  #happen(): void {
    const random = this.#random;
    const asked = this.#store.calls.filter(({ written }) => written === null);
    if (asked.length === 0) return;
    const first = random.below(asked.length);
    this.#store.commit(asked.slice(first, first + random.within(1, 3)));
  }

  /** An answer comes, is lost with what was done, or nothing was done in the first place. */
  #arrive(): void {
    const random = this.#random;
    const going = this.#store.calls.filter(({ owner }) => this.#isGoing(owner));
    const answered = going.filter(({ written }) => written !== null);
    const call = answered.length > 0 ? random.of(answered) : null;
    if (call) return this.#answer(call, random.isTrue(0.06) ? 'STORE_UNKNOWN' : null);
    if (going.length > 0 && random.isTrue(0.05)) this.#answer(random.of(going), 'STORE_BUSY');
  }

  #answer(call: Call, instead: 'STORE_UNKNOWN' | 'STORE_BUSY' | null): void {
    this.#store.calls = this.#store.calls.filter((one) => one !== call);
    this.#time.floor = call.owner;
    const { written } = call;
    if (instead) call.reject(new JobError(instead));
    else if (written?.ok) call.resolve(written.value);
    else call.reject(written?.error);
  }

  #fire(): void {
    const timer = this.#time.next(this.#isGoing);
    if (timer) this.#time.fire(timer);
  }

  #stall(): void {
    if (this.#nodes.length === 0) return;
    const node = this.#random.of(this.#nodes);
    node.isStalled = !node.isStalled;
  }

  /** A worker dies, seen by its supervisor, by everybody, or by nobody; or it is asked to go. */
  #leave(): void {
    const random = this.#random;
    if (this.#nodes.length === 0) return;
    const node = random.of(this.#nodes);
    const how = random.below(4);
    if (how === 0 && !node.isStopping) {
      node.isStopping = true;
      this.#time.floor = node.id;
      void node.worker.stop(random.below(3_000));
    } else {
      this.#nodes = this.#nodes.filter((one) => one !== node);
      this.#time.forget(node.id);
      const runs = [...node.runs.values()];
      // What it asked for last may still happen.
      this.#store.calls = this.#store.calls.filter(
        ({ owner, written }) => owner !== node.id || (written === null && random.isTrue(0.5)),
      );
      if (how === 1) this.#store.bury(node.id);
      if (how === 2) for (const job of runs) this.#blame(node.id, job);
    }
    this.#start();
  }

  #blame(id: string, job: Job): void {
    const change = this.#random.isTrue(0.5)
      ? { ...faulted(job, 'ATTEMPTS_EXHAUSTED'), delayMs: this.#random.below(3_000) }
      : handBack(job, { alone: true });
    const known = change.to === 'queued' ? change : { ...change, delayMs: 0 };
    const deed = { op: 'settle', job: job.id, lease: job.lease ?? '', to: change.to } as const;
    const applied = this.#store.now('apply', () => this.#store.apply(job.id, known, null));
    this.#history.saw<'settle'>(`supervisor of ${id}`, deed, {
      applied: applied?.outcome === 'applied',
    });
  }

  #submit(): void {
    const random = this.#random;
    const again = this.#jobs.length > 0 && random.isTrue(0.3) ? random.of(this.#jobs) : null;
    if (again && again.key === null) return;
    const { team, tool } = again ?? { team: random.of(TEAMS), tool: random.of(TOOLS) };
    const name = `k${(this.#names += 1)}`;
    const args = again && random.isTrue(0.7) ? again.args : JSON.stringify({ key: name });
    const key = again ? again.key : random.isTrue(0.5) ? name : null;
    const id = `mjb_${name.padStart(8, '0')}`;
    const deed = { op: 'submit', team, owner: 'usr', tool, key, args } as const;
    const invoked = this.#history.invoke<'submit'>('caller', deed);
    const given = key === null ? null : { key, hash: args, answer: '{}', ttlMs: 1e9 };
    const fixed = { owner: 'usr', scope: null, carry: null, requestId: 'req' };
    const limits = { attemptsMax: 3, timeoutMs: 8_000, createdAt: Date.now() };
    const job = { id, team, tool, input: args, ...fixed, ...limits };
    const replay = this.#store.now<Replay | null>('insert', () => this.#store.insert(job, given));
    const { jobId, hash } = replay ?? { jobId: id, hash: args };
    if (jobId === id) this.#jobs.push({ id, team, args, key, tool });
    if (hash !== args) return invoked.fail('IDEMPOTENCY_CONFLICT');
    if (!random.isTrue(0.1)) invoked.ok({ job: jobId });
  }

  #byCaller(): void {
    if (this.#jobs.length === 0) return;
    const random = this.#random;
    const { id, team: own } = random.of(this.#jobs);
    const team = random.isTrue(0.2) ? 'tem_x' : own;
    const who: Who = { team, owner: 'usr', abilities: ['*'] };
    if (random.isTrue(0.6)) return this.#answerJob(id, who);
    const invoked = this.#history.invoke<'cancel'>('caller', { op: 'cancel', team, job: id });
    const applied = this.#store.now('apply', () => this.#store.apply(id, cancel('req'), who));
    if (applied?.outcome !== 'applied') return invoked.fail('RESOURCE_NOT_FOUND');
    invoked.ok(null);
    // Workers of this process are told at once, some of the time.
    for (const node of this.#nodes) {
      this.#time.floor = node.id;
      if (!node.isStalled && random.isTrue(0.5)) node.worker.abort(id);
    }
  }

  #answerJob(id: string, who: Who): void {
    const answers = { size: { action: 'accept', content: {} } };
    this.#store.now('answer', () => this.#store.answer(id, who, answers));
  }

  #poll(): void {
    if (this.#jobs.length === 0) return;
    const { id, team } = this.#random.of(this.#jobs);
    const job = this.#store.row(id);
    const deed = { op: 'poll', team, owner: 'usr', job: id } as const;
    this.#history.saw<'poll'>('caller', deed, job ? viewOf(job) : null);
  }

  /** Nothing goes wrong any more, and somebody sweeps: every job ends. */
  async #calm(): Promise<void> {
    this.#isCalm = true;
    for (const node of this.#nodes) node.isStalled = false;
    if (!this.#nodes.some(({ isStopping }) => !isStopping)) this.#start();
    const end = this.#time.mono + 20 * 60_000;
    let sweepAt = this.#time.mono;
    for (let i = 0; i < CALM_EVENTS_MAX && this.#time.mono < end; i += 1) {
      const open = this.#store.open();
      if (open.length === 0) break;
      const [call] = this.#store.calls;
      if (call) this.#goOn(call);
      else if (this.#time.mono >= sweepAt) {
        sweepAt = this.#time.mono + 1_000;
        for (const id of open) this.#help(id);
        this.#store.now('sweep', () => this.#store.sweep());
      } else this.#fire();
      await settled();
    }
    for (let i = 0; i < 5; i += 1) this.#poll();
  }

  #goOn(call: Call): void {
    if (call.written === null) this.#store.commit([call]);
    if (this.#nodeOf(call.owner)) this.#answer(call, null);
    else this.#store.calls.shift();
  }

  #help(id: string): void {
    const job = this.#jobs.find((one) => one.id === id);
    if (job && this.#store.statusOf(id) === 'waiting')
      this.#answerJob(id, { team: job.team, owner: 'usr', abilities: ['*'] });
  }
}

function viewOf(job: Job): View {
  const { status, result, error, attempts, updatedAt } = job;
  const outcome = !isFinal(status) ? null : status === 'completed' ? result : JSON.stringify(error);
  const view = { status: shownStatus(job), outcome, attempt: attempts, task: taskStatus(job) };
  return { ...view, updatedAt: new Date(updatedAt).toISOString() };
}

/** The histories of these seeds, without what is not the same in two runs of one: leases are random. */
export async function tracesOf(seeds: readonly number[]): Promise<string[][]> {
  return inTime(async (simulation) => {
    const traces: string[][] = [];
    for (const seed of seeds) {
      const found = await simulation.run(seed);
      traces.push([...linesOf(simulation.history), ...found]);
    }
    return traces;
  });
}

function linesOf({ entries }: History): string[] {
  const start = entries[0]?.invokedAt ?? 0;
  const leases = new Map<string, string>();
  return entries.map((entry) => {
    const { process, deed, value, outcome, why } = entry;
    const at = entry.invokedAt - start;
    return JSON.stringify({ at, process, deed, outcome, why, value }, (key, inner: unknown) => {
      if (key === 'updatedAt') return null;
      if (key !== 'lease') return inner;
      const lease = String(inner);
      if (!leases.has(lease)) leases.set(lease, `lease ${leases.size}`);
      return leases.get(lease);
    });
  });
}

async function inTime<T>(work: (simulation: Simulation) => Promise<T>): Promise<T> {
  const time = new VirtualTime();
  time.take();
  const simulation = new Simulation(time);
  try {
    return await work(simulation);
  } finally {
    simulation.close();
    time.giveBack();
  }
}

async function simulate({ seed, count }: FaultRun): Promise<Outcome> {
  return inTime(async (simulation) => {
    const violations: string[] = [];
    const counted = { calls: 0, 'jobs ended': 0 };
    let runs = 0;
    for (; runs < count && violations.length < 20; runs += 1) {
      const found = await simulation.run(seed + runs);
      violations.push(...found.map((what) => `seed ${seed + runs}: ${what}`));
      const { entries } = simulation.history;
      counted.calls += entries.length;
      counted['jobs ended'] += entries.filter(
        ({ deed, value }) =>
          deed.op === 'settle' &&
          isFinal(deed.to as 'failed') &&
          value !== null &&
          'applied' in value &&
          value.applied,
      ).length;
    }
    return { runs, counted, violations };
  });
}

export const SIMULATION: Readonly<Record<string, Fault>> = {
  F19: {
    title: 'a deterministic simulation of store, workers and clock',
    bar: '0 violations in 100,000 seeded histories',
    engines: ['sqlite'],
    full: 100_000,
    quick: 1_000,
    piece: 25_000,
    short:
      'On SQLite alone: its store is synchronous, so that we decide what happens next; a database server decides for itself.',
    run: simulate,
  },
};
