/**
 * One supervised worker process, seen from its supervisor: it answers its calls, knows which runs
 * it holds, and settles them when it has ended.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { monotonic } from '../job/clock.ts';
import { JobError } from '../job/errors.ts';
import { newId } from '../job/ids.ts';
import { inheritedOptions, neighbourUrl } from '../job/module-url.ts';
import { identityOf } from '../store/process-identity.ts';
import type { Claimed, ClaimRequest } from '../store/store.ts';
import { changesAfterDeath } from './blame.ts';
import type { Runner } from './cancelled.ts';
import { GRACE_MS } from './guardian-thread.ts';
import type { FromChild, RemoteVerb, ToChild } from './messages.ts';
import { describe } from './run-job.ts';
import type { SuperviseOptions } from './supervise.ts';

const BEAT_MS = 5_000;
const REMOTE: readonly RemoteVerb[] = ['claim', 'apply', 'renew', 'progress'];

export class WorkerProcess implements Runner {
  readonly id = newId('wrk');
  readonly pid: number | undefined;
  /** Settles when the process has ended and what it held is settled. */
  readonly ended: Promise<void>;
  readonly #options: SuperviseOptions;
  readonly #onClaimed: () => void;
  readonly #child: ChildProcess;
  readonly #startedAt = monotonic();
  /** Runs that reached the process, by lease. */
  readonly #runs = new Map<string, { readonly id: string; readonly deadlineAt: number }>();
  /** Calls of the process that the store has not answered yet. */
  readonly #calls = new Set<Promise<void>>();
  /** How many of them are claims. */
  #claims = 0;
  #beat: NodeJS.Timeout | null = null;
  #tools: readonly string[] = [];
  #wasOrdered = false;
  isReady = false;
  /** Whether it was ever given a job. */
  hasWorked = false;
  /** Whether it asked for jobs and got fewer than it can run. */
  isHungry = false;

  constructor(options: SuperviseOptions, onClaimed: () => void) {
    this.#options = options;
    this.#onClaimed = onClaimed;
    this.#child = fork(
      fileURLToPath(neighbourUrl(import.meta.url, './child')),
      [String(process.pid)],
      {
        execArgv: inheritedOptions(),
        serialization: 'advanced',
        // What a handler prints must not mix with what the server prints for programs.
        stdio: ['ignore', 2, 2, 'ipc'],
      },
    );
    this.pid = this.#child.pid;
    this.#child.on('message', (message: FromChild) => this.#receive(message));
    this.#child.on('error', (error) =>
      options.log.error({ error: describe(error) }, 'worker process'),
    );
    this.ended = new Promise((resolve) => {
      this.#child.once('close', () => void this.#settle().then(resolve));
    });
    const { jobs, settings, concurrency, leaseMs, maxRunningPerTeam = 0 } = options;
    const working = { settings, concurrency, leaseMs, maxRunningPerTeam };
    this.#tell({ type: 'begin', worker: this.id, jobs: jobs.href, ...working });
  }

  get ageMs(): number {
    return monotonic() - this.#startedAt;
  }

  wake(): void {
    this.isHungry = false;
    this.#tell({ type: 'due' });
  }

  running(): ReadonlyMap<string, string> {
    return new Map([...this.#runs].map(([lease, { id }]) => [lease, id]));
  }

  /** Stop the run of a job that was taken from it; the process is ended when the handler goes on. */
  abort(id: string, lease?: string): void {
    // The answer to a claim may be on the way, with this job in it.
    if (!this.#holds(id, lease) && this.#claims === 0) return;
    this.#tell({ type: 'abort', id, lease });
    setTimeout(() => {
      if (this.#holds(id, lease)) this.kill();
    }, GRACE_MS + 1_000).unref();
  }

  #holds(id: string, lease?: string): boolean {
    if (lease !== undefined) return this.#runs.has(lease);
    return [...this.#runs.values()].some((held) => held.id === id);
  }

  async stop(graceMs: number): Promise<void> {
    this.#wasOrdered = true;
    this.#tell({ type: 'stop', graceMs });
    const overdue = setTimeout(() => this.kill(), graceMs + 2_000);
    await this.ended;
    clearTimeout(overdue);
  }

  kill(): void {
    this.#wasOrdered = true;
    this.#child.kill('SIGKILL');
  }

  #tell(message: ToChild): void {
    if (this.#child.connected) this.#child.send(message, () => {});
  }

  #receive(message: FromChild): void {
    switch (message.type) {
      case 'ready':
        this.#tools = message.tools;
        this.isReady = true;
        this.#beat = setInterval(() => void this.#sayAlive(), BEAT_MS);
        void this.#sayAlive();
        break;
      case 'failed':
        this.#options.log.error(
          { error: message.message },
          'a worker could not load the jobs module',
        );
        break;
      case 'call': {
        const answered = this.#answer(message).finally(() => this.#calls.delete(answered));
        this.#calls.add(answered);
        break;
      }
      case 'ended':
        this.#runs.delete(message.lease);
        break;
      case 'log':
        this.#options.log[message.level]({ ...message.fields, pid: this.pid }, message.message);
        break;
    }
  }

  async #answer({ call, verb, args }: FromChild & { type: 'call' }): Promise<void> {
    if (verb === 'claim') this.#claims += 1;
    try {
      if (!REMOTE.includes(verb)) throw new Error(`a worker may not call ${verb}`);
      const method = this.#options.store[verb] as (
        ...given: readonly unknown[]
      ) => Promise<unknown>;
      const value = await method.apply(this.#options.store, [...args]);
      if (verb === 'claim') this.#claimed(args[0] as ClaimRequest, value as Claimed);
      this.#tell({ type: 'answer', call, value });
    } catch (error) {
      const code = error instanceof JobError ? error.code : null;
      const message = error instanceof Error ? error.message : String(error);
      this.#tell({ type: 'refusal', call, code, message });
    } finally {
      if (verb === 'claim') this.#claims -= 1;
    }
  }

  #claimed({ limit }: ClaimRequest, { jobs }: Claimed): void {
    this.isHungry = jobs.length < limit;
    // A dead process begins nothing: what was claimed for it meanwhile is handed back free.
    if (!this.#child.connected) return;
    for (const { id, lease, timeoutMs } of jobs) {
      this.#runs.set(lease ?? '', { id, deadlineAt: monotonic() + timeoutMs });
    }
    if (jobs.length === 0) return;
    this.hasWorked = true;
    this.#onClaimed();
  }

  async #sayAlive(): Promise<void> {
    if (this.pid === undefined) return;
    const { store, log } = this.#options;
    try {
      await store.beat({
        id: this.id,
        process: identityOf(this.pid),
        supervisor: identityOf(process.pid),
        tools: this.#tools,
      });
    } catch (error) {
      log.warn({ error: describe(error) }, 'a worker could not be made known; trying again');
    }
  }

  async #settle(): Promise<void> {
    this.isReady = false;
    this.isHungry = false;
    if (this.#beat) clearInterval(this.#beat);
    const { store, definitions, log } = this.#options;
    const at = monotonic();
    await Promise.allSettled(this.#calls);
    try {
      const held = await store.heldBy(this.id);
      const begun = new Map([...this.#runs].map(([lease, run]) => [lease, run.deadlineAt]));
      const ending = { held, begun, at, wasOrdered: this.#wasOrdered, definitions };
      for (const [id, change] of changesAfterDeath(ending)) {
        const { to, fault = false } = change;
        log.warn(
          { job_id: id, pid: this.pid, to, fault },
          'the job of an ended worker is taken back',
        );
        await store.apply(id, change);
      }
    } catch (error) {
      // The leases run out in any case.
      log.error({ error: describe(error) }, 'the jobs of an ended worker could not be taken back');
    }
  }
}
