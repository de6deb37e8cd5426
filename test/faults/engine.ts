/**
 * A server without HTTP, as a process of its own that a test kills: a store, a sweeper, workers. It
 * says on stdout what was acknowledged and what was committed.
 */
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { definitionsOf } from '../../src/job/definition.ts';
import { SILENT } from '../../src/job/log.ts';
import { openStore } from '../../src/sqlite.ts';
import { runWorker, startSweeper, supervise } from '../../src/worker.ts';
import { aJob } from '../support/a-job.ts';
import * as jobs from '../support/jobs.ts';

export interface EngineOptions {
  readonly folder: string;
  /** Worker processes; a guest runs one worker in its own process instead. */
  readonly workers: number;
  readonly concurrency?: number;
  readonly isGuest?: boolean;
  readonly leaseMs?: number;
  /** Submit jobs of this tool, one after another, `at` of them at once, as long as it lives. */
  readonly submits?: {
    readonly tool: string;
    readonly atOnce: number;
    readonly most: number;
    readonly pauseMs: number;
  };
}

const options = JSON.parse(process.argv[2] ?? '{}') as EngineOptions;
const { folder, workers, concurrency = 1, isGuest = false, leaseMs = 20_000 } = options;

// Written at once, so that a line that was said was said before the process was killed.
const say = (line: object) => writeSync(1, `${JSON.stringify(line)}\n`);

const store = await openStore(join(folder, 'jobs.db'), { migrations: [jobs.PIECES], isGuest });
const definitions = definitionsOf(jobs);
store.onChange((notice) => {
  if (notice) say({ event: notice.status, id: notice.id });
});
startSweeper({ store, retentionMs: 1e9, log: SILENT });
const settings = { folder };
const common = { store, definitions, settings, concurrency, leaseMs, log: SILENT };
const jobsModule = new URL('../support/jobs.ts', import.meta.url);
const supervised = isGuest ? null : supervise({ ...common, workers, jobs: jobsModule });
const running = supervised ?? runWorker(common);

let count = 0;
const key = () => `${process.pid}-${(count += 1)}`;

async function submit(tool: string, given: string): Promise<void> {
  const definition = definitions.get(tool);
  const { attempts: attemptsMax = 3, timeoutMs = 60_000 } = definition ?? {};
  const input = JSON.stringify({ key: given });
  const { id } = await store.insert(aJob({ tool, input, attemptsMax, timeoutMs }), 0);
  say({ event: 'acknowledged', id, key: given });
}

process.on('message', (message: { submit?: string; key?: string; stop?: number }) => {
  if (message.submit) void submit(message.submit, message.key ?? key());
  if (message.stop !== undefined) {
    void running.stop(message.stop).then(() => process.exit(0));
  }
});
say({ event: 'open', pids: supervised?.pids() ?? [] });

const { submits } = options;
if (submits) {
  for (let i = 0; i < submits.atOnce; i += 1) {
    void (async () => {
      while (count < submits.most) {
        await submit(submits.tool, key());
        await pause(submits.pauseMs);
      }
    })();
  }
}
