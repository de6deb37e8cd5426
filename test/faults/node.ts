/**
 * One process of a fleet: a whole server, or only workers beside one. It is the product as it is,
 * on an engine that is named from outside; what its workers claim and settle is also said on stdout.
 */
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { accessCodes } from '../../src/access-codes/app.ts';
import { onStopSignals, stopAndExit } from '../../src/cli/shutdown.ts';
import { serve, tokens } from '../../src/http.ts';
import { definitionsOf } from '../../src/job/definition.ts';
import { monotonic } from '../../src/job/clock.ts';
import { LEASE_MS } from '../../src/job/job.ts';
import type { Logger } from '../../src/index.ts';
import type { Store } from '../../src/store/store.ts';
import { runWorker, startSweeper, supervise } from '../../src/worker.ts';
import { openAt } from './address.ts';
import type { Engine } from './place.ts';

export interface NodeOptions {
  readonly engine: Engine;
  readonly at: string;
  readonly folder: string;
  readonly application: 'codes' | 'works';
  /** `guest` runs workers beside a server, `inside` runs one worker in its own process. */
  readonly role: 'server' | 'guest' | 'inside';
  readonly port?: number;
  readonly workers?: number;
  readonly concurrency?: number;
  readonly leaseMs?: number;
  readonly maxOutstanding?: number;
  /** Requests of a token in a minute; default no limit. */
  readonly rateLimit?: number;
  /** How long final jobs are kept; default as the product's. */
  readonly retentionMs?: number;
  readonly logs?: boolean;
}

const options = JSON.parse(process.argv[2] ?? '{}') as NodeOptions;
const { engine, at, folder, application, role } = options;
const { workers = 1, concurrency = 2, leaseMs = LEASE_MS } = options;

// Written at once, so that a line that was said was said before the process was killed.
const say = (line: object) => writeSync(1, `${JSON.stringify(line)}\n`);
const logAt = (level: string) => (fields: object, message?: string) => {
  if (options.logs) say({ event: 'log', level, message, ...fields, error: textOf(fields) });
};
const textOf = (fields: object) =>
  'err' in fields ? String(fields.err) : (fields as { error?: string }).error;
const log: Logger = {
  debug: () => {},
  info: logAt('info'),
  warn: logAt('warn'),
  error: logAt('error'),
};

/** The same store, which also says what workers were given and what became of their writes. */
function recorded(store: Store): Store {
  const own: Partial<Store> = {
    async claim(request) {
      const claimed = await store.claim(request);
      for (const { id, lease, runs } of claimed.jobs)
        say({ event: 'claimed', id, lease, runs, at: monotonic() });
      return claimed;
    },
    async apply(id, change) {
      const applied = await store.apply(id, change);
      const { outcome } = applied;
      say({ event: 'settled', id, lease: change.lease, to: change.to, outcome, at: monotonic() });
      return applied;
    },
  };
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(name in own ? own : target, name);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

const opened = await openAt({ engine, at }, role !== 'server');
const store = recorded(opened);
const codes =
  application === 'codes'
    ? await accessCodes(store, {
        keyFile: join(folder, 'key'),
        quantityMax: 10_000,
        redeemFailuresPerMinute: 0,
        redeemFailuresPerHour: 0,
      })
    : null;
const parts = codes ?? { jobs: new URL('./jobs.ts', import.meta.url), settings: { folder } };
const { retentionMs } = options;
const keeping = retentionMs === undefined ? {} : { retentionMs };
const common = { settings: parts.settings, concurrency, leaseMs, log };

async function start(): Promise<{ facts: object; stop: (graceMs: number) => Promise<void> }> {
  if (role === 'server') {
    const { port = 0, maxOutstanding = 0, rateLimit = 0 } = options;
    const given = {
      ...parts,
      ...common,
      ...keeping,
      db: store,
      identify: tokens(store),
      rateLimit,
    };
    const serving = await serve({ ...given, port, workers, maxOutstanding });
    const { url, workerPids } = serving;
    return { facts: { url, pids: workerPids() }, stop: (graceMs) => serving.close({ graceMs }) };
  }
  const definitions = definitionsOf((await import(parts.jobs.href)) as object);
  const stopSweeper = startSweeper({ store, retentionMs: 1e12, log });
  const supervised =
    role === 'guest'
      ? supervise({ ...common, store, definitions, workers, jobs: parts.jobs })
      : null;
  const running = supervised ?? runWorker({ ...common, store, definitions });
  return {
    facts: { pids: supervised?.pids() ?? [] },
    async stop(graceMs) {
      await running.stop(graceMs);
      await stopSweeper();
    },
  };
}

const { facts, stop } = await start();
// As the commands do, but for a shorter grace: the first signal asks, the second one ends it.
void onStopSignals().asked.then(() =>
  stopAndExit(async () => {
    await stop(1_000);
    await opened.close();
  }, log),
);
// Whoever started it is gone: nothing may be left running.
process.on('disconnect', () => process.exit(0));
say({ event: 'open', ...facts });
