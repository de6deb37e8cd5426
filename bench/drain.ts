/** 20,000 trivial jobs that are queued already, to the last completion, by one worker process. */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { definitionsOf } from '../src/index.ts';
import { SILENT } from '../src/job/log.ts';
import { openStore } from '../src/sqlite.ts';
import { runWorker, supervise } from '../src/worker.ts';
import { fill } from './fill.ts';
import type { Bench, Finding } from './finding.ts';
import { withFolder } from './folder.ts';
import * as jobs from './jobs.ts';

const MODULE = new URL('./jobs.ts', import.meta.url);
const GIVE_UP_MS = 180_000;

export const drain: Bench = async ({ quick }) => {
  const findings: Finding[] = [];
  for (const inProcess of [false, true]) {
    for (const concurrency of [1, 10, 50]) {
      const count = quick ? 2_000 : 20_000;
      const measured = await withFolder(async (folder) => {
        const ms = await drained(join(folder, 'jobs.db'), { count, concurrency, inProcess });
        return count / (ms / 1_000);
      });
      const where = inProcess ? 'in process' : 'worker process';
      const what = `${count} trivial jobs, ${where}, concurrency ${concurrency}`;
      findings.push({ bench: 'drain', what, measured, unit: '/s', bar: null });
    }
  }
  return findings;
};

/** Milliseconds from the first claim to the last completion. */
async function drained(
  path: string,
  given: { readonly count: number; readonly concurrency: number; readonly inProcess: boolean },
): Promise<number> {
  await (await openStore(path)).close();
  fill(path, { tool: 'trivial', queued: given.count, finished: 0 });
  const store = await openStore(path);
  const { concurrency, count } = given;
  const options = {
    store,
    definitions: definitionsOf(jobs),
    settings: null,
    concurrency,
    leaseMs: 20_000,
    log: SILENT,
  };
  let firstAt = 0;
  let completed = 0;
  const last = new Promise<number>((resolve) => {
    store.onChange((notice) => {
      if (notice?.status === 'running') firstAt ||= performance.now();
      if (notice?.status === 'completed') completed += 1;
      if (completed === count) resolve(performance.now());
    });
  });
  const workers = given.inProcess
    ? runWorker(options)
    : supervise({ ...options, jobs: MODULE, workers: 1 });
  const late = new AbortController();
  try {
    const endedAt = await Promise.race([
      last,
      pause(GIVE_UP_MS, null, { signal: late.signal }).then(() => {
        throw new Error(`${completed} of ${count} jobs were completed in ${GIVE_UP_MS} ms`);
      }),
    ]);
    return endedAt - firstAt;
  } finally {
    late.abort();
    await workers.stop(1_000);
    await store.close();
  }
}
