/**
 * A worker process. It holds no connection that writes: what it claims and how runs end goes to
 * its supervisor, which commits for all. Handlers may do here what they like: loop for ever, exit,
 * eat memory; it costs one attempt.
 */
import { Worker as Thread } from 'node:worker_threads';
import { definitionsOf } from '../job/definition.ts';
import { JobError } from '../job/errors.ts';
import type { Logger } from '../job/log.ts';
import { inheritedOptions, neighbourUrl } from '../job/module-url.ts';
import type { WorkStore } from '../store/store.ts';
import { GRACE_MS, type ToGuardian } from './guardian-thread.ts';
import type { FromChild, RemoteVerb, ToChild } from './messages.ts';
import { describe } from './run-job.ts';
import { Worker } from './worker.ts';
import { monotonic } from '../job/clock.ts';

type Level = 'debug' | 'info' | 'warn' | 'error';

const guardian = new Thread(neighbourUrl(import.meta.url, './guardian-thread'), {
  // Told, not looked up: a supervisor that died during the start would never be missed.
  workerData: { supervisor: Number(process.argv[2]) },
  resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 },
  execArgv: inheritedOptions(),
  name: 'guardian',
});
guardian.unref();

function tell(message: FromChild): void {
  // Without a supervisor there is nobody to write for; the guardian ends the process.
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
}

const calls = new Map<
  number,
  { resolve: (value: unknown) => void; reject: (error: Error) => void }
>();
let lastCall = 0;
const dueListeners = new Set<() => void>();

function ask<T>(verb: RemoteVerb, ...args: readonly unknown[]): Promise<T> {
  const call = (lastCall += 1);
  return new Promise<T>((resolve, reject) => {
    calls.set(call, { resolve: resolve as (value: unknown) => void, reject });
    tell({ type: 'call', call, verb, args });
  });
}

const store: Omit<WorkStore, 'beat'> = {
  claim: (request) => ask('claim', request),
  apply: (id, change) => ask('apply', id, change),
  renew: (held, leaseMs) => ask('renew', held, leaseMs),
  progress: (held, progress) => ask('progress', held, progress),
  onDue(listener) {
    dueListeners.add(listener);
    return () => dueListeners.delete(listener);
  },
};

const logAt =
  (level: Level) =>
  (fields: object, message?: string): void =>
    tell({ type: 'log', level, fields, message });
const log: Logger = {
  debug: logAt('debug'),
  info: logAt('info'),
  warn: logAt('warn'),
  error: logAt('error'),
};

let worker: Worker | null = null;

async function begin(message: ToChild & { type: 'begin' }): Promise<void> {
  try {
    const definitions = definitionsOf((await import(message.jobs)) as object);
    tell({ type: 'ready', tools: [...definitions.keys()] });
    const { worker: id, settings, concurrency, leaseMs, maxRunningPerTeam } = message;
    const guard = (said: ToGuardian) => guardian.postMessage(said);
    worker = new Worker({
      id,
      store,
      definitions,
      settings,
      concurrency,
      leaseMs,
      maxRunningPerTeam,
      log,
      watch: {
        begun: ({ lease, timeoutMs }) =>
          guard({ type: 'begun', run: lease ?? '', endsAt: monotonic() + timeoutMs + GRACE_MS }),
        stopped: (run) => guard({ type: 'stopped', run, endsAt: monotonic() + GRACE_MS }),
        ended: (lease) => {
          guard({ type: 'ended', run: lease });
          tell({ type: 'ended', lease });
        },
      },
    });
  } catch (error) {
    tell({ type: 'failed', message: describe(error) });
    process.exit(1);
  }
}

async function stop(graceMs: number): Promise<void> {
  await worker?.stop(graceMs);
  process.exit(0);
}

process.on('message', (message: ToChild) => {
  switch (message.type) {
    case 'begin':
      void begin(message);
      break;
    case 'due':
      for (const listener of dueListeners) listener();
      break;
    case 'abort':
      worker?.abort(message.id, message.lease);
      break;
    case 'stop':
      void stop(message.graceMs);
      break;
    case 'answer':
      calls.get(message.call)?.resolve(message.value);
      calls.delete(message.call);
      break;
    case 'refusal': {
      const { code, message: text } = message;
      calls
        .get(message.call)
        ?.reject(code ? new JobError(code, { message: text }) : new Error(text));
      calls.delete(message.call);
      break;
    }
  }
});
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void stop(5_000));
