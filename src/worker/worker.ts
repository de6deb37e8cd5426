/**
 * The loop of one worker: claim as many jobs as there are free slots, run them, write how each run
 * ended, renew the leases meanwhile. It knows the store only through the part of the port that a
 * supervised worker reaches through its parent.
 */
import { monotonic } from '../job/clock.ts';
import type { AnyDefinition } from '../job/definition.ts';
import { JobError } from '../job/errors.ts';
import type { Job } from '../job/job.ts';
import type { Logger } from '../job/log.ts';
import { fail, faulted, handBack, type Change } from '../job/transitions.ts';
import type { RunningLimits, WorkStore } from '../store/store.ts';
import type { Runner } from './cancelled.ts';
import { limitsOf } from './limits.ts';
import { ProgressWriter } from './progress.ts';
import { describe, runJob, type StopReason } from './run-job.ts';

/** Look for work this often in any case. */
const SAFETY_POLL_MS = 1_000;
/** How long the end of a run is retried when the store cannot take it. */
const SETTLE_MS = 60_000;

export interface WorkerOptions {
  /** Id that the worker's leases carry. */
  readonly id: string;
  readonly store: Omit<WorkStore, 'beat'>;
  readonly definitions: ReadonlyMap<string, AnyDefinition>;
  readonly settings: unknown;
  readonly concurrency: number;
  readonly leaseMs: number;
  /** Running jobs of each team at most, over all workers of the store; 0 is no limit. */
  readonly maxRunningPerTeam: number;
  readonly log: Logger;
  /** Told, by lease, of each run that begins, that is told to stop, and whose handler has ended. */
  readonly watch?: RunWatch;
}

export interface RunWatch {
  begun(job: Job): void;
  stopped(lease: string): void;
  ended(lease: string): void;
}

interface Run {
  readonly job: Job;
  readonly stop: AbortController;
  /** Settles when the end of the run is written. */
  done: Promise<void>;
}

const NOBODY: RunWatch = { begun: () => {}, stopped: () => {}, ended: () => {} };

export class Worker implements Runner {
  readonly id: string;
  readonly #options: WorkerOptions;
  readonly #watch: RunWatch;
  readonly #tools: readonly string[];
  readonly #limits: RunningLimits | null;
  /** By lease: a worker that slept past its lease may be given the same job again. */
  readonly #runs = new Map<string, Run>();
  /** Runs whose handler has ended, while their end is being written. */
  readonly #settling = new Set<Promise<string>>();
  readonly #timers: NodeJS.Timeout[];
  readonly #unsubscribe: () => void;
  #dueTimer: NodeJS.Timeout | null = null;
  #claiming: Promise<void> | null = null;
  /** Jobs and leases that were taken back while a claim is on the way, which may bring them. */
  readonly #taken = new Set<string>();
  #claimAgain = false;
  #isStopping = false;

  constructor(options: WorkerOptions) {
    this.id = options.id;
    this.#options = options;
    this.#watch = options.watch ?? NOBODY;
    this.#tools = [...options.definitions.keys()];
    this.#limits = limitsOf(options.definitions, options.maxRunningPerTeam);
    this.#timers = [
      setInterval(() => this.#wake(), SAFETY_POLL_MS),
      setInterval(() => void this.#renew(), Math.floor(options.leaseMs / 3)),
    ];
    this.#unsubscribe = options.store.onDue(() => this.#wake());
    this.#wake();
  }

  running(): ReadonlyMap<string, string> {
    return new Map([...this.#runs].map(([lease, { job }]) => [lease, job.id]));
  }

  /** Tell the runs of a job to stop, because it was cancelled; or the one whose lease is lost. */
  abort(id: string, lease?: string): void {
    if (this.#claiming) this.#taken.add(lease ?? id);
    if (lease === undefined) this.#stopRunsOf(id);
    else this.#stopRun(this.#runs.get(lease), 'lost');
  }

  /** Claim no more; let runs finish for `graceMs`, then hand them back. */
  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true;
    this.#unsubscribe();
    if (this.#dueTimer) clearTimeout(this.#dueTimer);
    await this.#claiming;
    const finished = Promise.all([...this.#runs.values()].map(({ done }) => done));
    await Promise.race([finished, after(graceMs)]);
    for (const run of this.#runs.values()) this.#stopRun(run, 'shutdown');
    await Promise.all([finished, ...this.#settling]);
    for (const timer of this.#timers) clearInterval(timer);
  }

  #stopRunsOf(id: string): void {
    for (const run of this.#runs.values()) if (run.job.id === id) this.#stopRun(run, 'lost');
  }

  #stopRun(run: Run | undefined, reason: StopReason): void {
    if (!run || run.stop.signal.aborted) return;
    this.#watch.stopped(leaseOf(run.job));
    run.stop.abort(reason);
  }

  #wake(): void {
    if (this.#claiming) this.#claimAgain = true;
    // Cleared outside: a claim that finds no free slot ends before it is assigned.
    else if (!this.#isStopping) this.#claiming = this.#claim().finally(() => this.#claimed());
  }

  #claimed(): void {
    this.#claiming = null;
    this.#taken.clear();
    if (this.#claimAgain) this.#wake();
  }

  async #claim(): Promise<void> {
    const { store, concurrency, leaseMs, log, id } = this.#options;
    try {
      for (let more = true; more && !this.#isStopping;) {
        this.#claimAgain = false;
        const limit = concurrency - this.#runs.size;
        if (limit <= 0 || [...this.#runs.values()].some(({ job }) => job.alone)) break;
        const idle = this.#runs.size === 0;
        const request = {
          worker: id,
          tools: this.#tools,
          limit,
          leaseMs,
          idle,
          limits: this.#limits,
        };
        const { jobs, nextDueMs } = await store.claim(request);
        for (const job of jobs) this.#begin(job);
        this.#wakeAt(nextDueMs);
        more = this.#claimAgain;
      }
    } catch (error) {
      log.warn({ error: describe(error) }, 'claiming failed; trying again');
    }
  }

  #wakeAt(nextDueMs: number | null): void {
    if (this.#dueTimer) clearTimeout(this.#dueTimer);
    this.#dueTimer = null;
    if (nextDueMs === null || nextDueMs >= SAFETY_POLL_MS) return;
    this.#dueTimer = setTimeout(() => this.#wake(), nextDueMs + 1);
  }

  #begin(job: Job): void {
    const run: Run = { job, stop: new AbortController(), done: Promise.resolve() };
    // Whatever still runs of this job has lost its lease, or nobody could have been given it.
    this.#stopRunsOf(job.id);
    this.#runs.set(leaseOf(job), run);
    this.#watch.begun(job);
    run.done = this.#run(run);
    const isTaken = this.#taken.has(job.id) || this.#taken.has(leaseOf(job));
    if (isTaken) this.#stopRun(run, 'lost');
  }

  async #run({ job, stop }: Run): Promise<void> {
    const { definitions, settings, store, log } = this.#options;
    const definition = definitions.get(job.tool);
    const fields = {
      job_id: job.id,
      request_id: job.requestId,
      tool: job.tool,
      attempt: job.attempts + 1,
    };
    const runLog = withFields(log, { ...fields, run: job.runs });
    const deadline = setTimeout(
      () => this.#stopRun(this.#runs.get(leaseOf(job)), 'deadline'),
      job.timeoutMs,
    );
    const run = { id: job.id, lease: leaseOf(job), runs: job.runs };
    const progress = new ProgressWriter(store, run, runLog);
    const startedAt = monotonic();
    runLog.info({}, 'running');
    const change = definition
      ? await runJob(job, {
          definition,
          settings,
          log: runLog,
          stop: stop.signal,
          onProgress: (latest) => progress.set(latest),
          onHandlerEnd: () => this.#watch.ended(leaseOf(job)),
        })
      : handBack(job);
    clearTimeout(deadline);
    progress.close();
    this.#runs.delete(leaseOf(job));
    const settled = change ? this.#settle(job, change, runLog) : Promise.resolve('dropped');
    this.#settling.add(settled);
    // The slot is free at once, so that this end and the next claim can share a commit; where there
    // are more slots, whatever ends in this turn of the loop shares one claim.
    if (this.#options.concurrency === 1) this.#wake();
    else setImmediate(() => this.#wake());
    const to = await settled;
    this.#settling.delete(settled);
    runLog.info({ durationMs: monotonic() - startedAt, to }, 'run ended');
  }

  /**
   * Write how the run ended. The lease makes repeating it harmless.
   *
   * @returns what became of the job, for the log
   */
  async #settle(job: Job, change: Change, log: Logger): Promise<string> {
    const { store, definitions } = this.#options;
    const giveUpAt = monotonic() + SETTLE_MS;
    for (let waitMs = 10; ; waitMs = Math.min(waitMs * 2, 2_000)) {
      try {
        const applied = await store.apply(job.id, change);
        if (applied.outcome === 'applied') return change.to;
        if (applied.outcome === 'refused') {
          const { statement, changed } = applied;
          log.warn({ statement, changed }, 'an effect was refused');
          await store.apply(job.id, fail(job, new JobError('EFFECT_REFUSED')));
          return 'failed';
        }
        if (applied.outcome === 'failed') {
          const { statement, message } = applied;
          log.error({ statement, error: message }, 'an effect failed');
          const backoff = definitions.get(job.tool)?.backoff;
          const instead = faulted(job, 'ATTEMPTS_EXHAUSTED', backoff);
          await store.apply(job.id, instead);
          return instead.to;
        }
        log.warn({}, 'the job has moved on; the result was dropped');
        return 'dropped';
      } catch (error) {
        log.warn({ error: describe(error) }, 'writing the end of the run failed; trying again');
        // Unwritten, the lease runs out and the job is run again: late, but never lost.
        if (monotonic() > giveUpAt) return 'unwritten';
        await after(waitMs);
      }
    }
  }

  async #renew(): Promise<void> {
    const runs = [...this.#runs.values()].filter(({ stop }) => !stop.signal.aborted);
    const held = runs.map(({ job }) => ({ id: job.id, lease: leaseOf(job) }));
    if (held.length === 0) return;
    const { store, leaseMs, log } = this.#options;
    try {
      const lost = new Set(await store.renew(held, leaseMs));
      for (const run of runs.filter(({ job }) => lost.has(job.id))) {
        // Meanwhile the run may have ended, which gives up its lease, or its job be run here anew.
        if (this.#runs.get(leaseOf(run.job)) !== run) continue;
        log.warn({ job_id: run.job.id }, 'the lease is no longer held; the run is told to stop');
        this.#stopRun(run, 'lost');
      }
    } catch (error) {
      log.warn({ error: describe(error) }, 'renewing leases failed; trying again');
    }
  }
}

/** A claimed job always carries one. */
function leaseOf(job: Job): string {
  if (job.lease === null) throw new Error(`${job.id} was claimed without a lease`);
  return job.lease;
}

/** A logger that says the same fields in every line. */
export function withFields(log: Logger, fields: object): Logger {
  return {
    debug: (more, message) => log.debug({ ...fields, ...more }, message),
    info: (more, message) => log.info({ ...fields, ...more }, message),
    warn: (more, message) => log.warn({ ...fields, ...more }, message),
    error: (more, message) => log.error({ ...fields, ...more }, message),
  };
}

function after(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}
