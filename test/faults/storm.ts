/** Clients that do everything that clients do, while something happens to what they use. */
import { tmpdir } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { done } from './history.ts';
import { batchOf, Fleet, type Client, type FleetOptions } from './fleet.ts';
import { atRest, type FaultRun, type Outcome } from './fault.ts';
import { place, type Place } from './place.ts';
import { Seeded } from './random.ts';
import type { StartOptions } from '../support/child.ts';

export interface StormOptions {
  readonly application: 'works' | 'codes';
  readonly clients?: number;
  readonly fleet?: FleetOptions;
  /** How the first server is started. */
  readonly how?: StartOptions;
  /** A place that was made before. */
  readonly at?: Place;
  /** Workers beside the server. */
  readonly guests?: number;
  /** What happens meanwhile; the storm ends with it. Returns what was counted. */
  readonly disturb: (storm: Storm) => Promise<Record<string, number | string>>;
  /** Puts everything in order again, so that all jobs can end. */
  readonly mend?: (storm: Storm) => Promise<void>;
  /** Longest rest of a client between two calls. */
  readonly restMs?: number;
}

export interface Storm {
  readonly fleet: Fleet;
  readonly random: Seeded;
  readonly clients: readonly Client[];
}

export async function storm(
  { t, engine, seed }: FaultRun,
  options: StormOptions,
): Promise<Outcome> {
  const at = options.at ?? (await place(t, engine, tmpdir()));
  const callers = await at.callers(4);
  const { application, how, guests = 0 } = options;
  const fleet = new Fleet(t, at, { application, workers: 2, concurrency: 4, ...options.fleet });
  await fleet.start({}, how);
  for (let i = 0; i < guests; i += 1) await fleet.guest('guest', { workers: 1 });
  const random = new Seeded(seed);
  const clients = Array.from({ length: options.clients ?? 8 }, (_, i) => {
    const caller = callers[i % callers.length];
    if (!caller) throw new Error('nobody calls');
    return fleet.client(caller, `client ${i}`);
  });
  const plans = new Map<string, string>();
  if (application === 'codes') {
    for (const client of clients) {
      const { team } = client.caller;
      if (!plans.has(team)) plans.set(team, await client.plan());
    }
  }
  const over = new AbortController();
  const { restMs = 20 } = options;
  const lives = clients.map(async (client, i) => {
    const own = new Seeded(seed + 1 + i);
    const life = new Life(fleet, client, own, plans.get(client.caller.team) ?? null);
    while (!over.signal.aborted) {
      await life.step().catch(() => pause(20));
      await pause(own.below(restMs));
    }
  });
  let counted: Record<string, number | string>;
  const scene = { fleet, random, clients };
  try {
    counted = await options.disturb(scene);
  } finally {
    over.abort();
  }
  await (options.mend ?? mend)(scene);
  await Promise.all(lives);
  const { violations, remains } = await atRest(fleet);
  const acknowledged = new Set(done(fleet.history.entries, 'submit').map(({ value }) => value.job))
    .size;
  return {
    runs: 1,
    counted: {
      ...counted,
      acknowledged,
      jobs: remains.jobs.length,
      completed: remains.jobs.filter(({ status }) => status === 'completed').length,
      ...(application === 'codes' && {
        codes: remains.codes.length,
        redeemed: remains.subscriptions.length,
      }),
    },
    violations,
  };
}

/** Make sure that a server lives. */
export async function mend({ fleet }: Storm): Promise<void> {
  const { exitCode, signalCode } = fleet.server.process;
  if (exitCode !== null || signalCode !== null) await fleet.start();
}

/** Ids that nobody has, of the right form. */
const NOBODYS = 'mjb_01HX0000000000000000000000';

class Life {
  readonly #fleet: Fleet;
  readonly #client: Client;
  readonly #random: Seeded;
  readonly #plan: string | null;
  readonly #jobs: string[] = [];
  readonly #keys: { key: string; tool: string; args: Record<string, unknown> }[] = [];
  /** Codes that may still be there to redeem. */
  readonly #codes: string[] = [];

  constructor(fleet: Fleet, client: Client, random: Seeded, plan: string | null) {
    this.#fleet = fleet;
    this.#client = client;
    this.#random = random;
    this.#plan = plan;
  }

  async step(): Promise<void> {
    const random = this.#random;
    const chance = random.next();
    if (chance < 0.5 || this.#jobs.length === 0) return this.#submit();
    if (chance < 0.8) return this.#look(random.of(this.#jobs.slice(-20)));
    if (chance < 0.88) return this.#again();
    if (chance < 0.91) return this.#client.cancel(random.of(this.#jobs));
    if (chance < 0.94) return this.#client.compare(random.of(this.#jobs));
    if (chance < 0.96) return this.#client.list();
    await this.#client.probe(this.#foreign() ?? NOBODYS, 'foreign');
    await this.#client.probe(NOBODYS, 'unknown');
  }

  async #submit(): Promise<void> {
    const random = this.#random;
    const key = `${this.#client.caller.team}-${this.#fleet.history.entries.length}-${random.below(1e9)}`;
    const [tool, args] = this.#plan
      ? ['bulk_generate_access_codes', batchOf(this.#plan, random.within(1, 25))]
      : [
          random.isTrue(0.1) ? 'flaky' : 'quick',
          { key, ...(random.isTrue(0.5) && { ms: random.below(40) }) },
        ];
    this.#keys.push({ key, tool, args });
    // Nobody knows what became of a cut call: the same key makes asking again harmless.
    for (let i = 0; i < 200; i += 1) {
      const job = await this.#client.submit(tool, args, key);
      if (job) return void this.#jobs.push(job);
      await pause(25);
    }
  }

  async #look(job: string): Promise<void> {
    const view = await this.#client.poll(job, this.#random.isTrue(0.3) ? 1 : 0);
    if (!this.#plan || view?.status !== 'completed') return;
    this.#codes.push(...(await this.#client.codes(view)).slice(0, 3));
    const code = this.#random.of(this.#codes);
    await Promise.all(['sam', 'eve'].map((name) => this.#client.redeem(code, name)));
  }

  /** Say the same again, or something else under the same key. */
  async #again(): Promise<void> {
    const { key, tool, args } = this.#random.of(this.#keys);
    const other = this.#plan ? { ...args, quantity: 26 } : { ...args, key: `${key}-other` };
    await this.#client.submit(tool, this.#random.isTrue(0.5) ? args : other, key);
  }

  #foreign(): string | null {
    const { team } = this.#client.caller;
    const entries = this.#fleet.history.entries.slice(-200);
    const foreign = done(entries, 'submit').filter(({ deed }) => deed.team !== team);
    return foreign.at(-1)?.value.job ?? null;
  }
}
