/** What more worker processes bring on this machine: 20,000 trivial jobs, concurrency 50 each. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Store } from '../src/store/store.ts';
import { openAt, withPlace, type Place } from './engine.ts';
import { queue } from './fill.ts';
import type { Bench, Finding } from './finding.ts';
import { LoneWorker } from './lone.ts';
import { WHO } from './new-job.ts';

const PROCESSES = [1, 2, 3, 4];
const CONCURRENCY = 50;
const GIVE_UP_MS = 120_000;

export const processes: Bench = async ({ engine, quick }) =>
  withPlace(engine, async (place) => {
    const count = quick ? 4_000 : 20_000;
    const findings: Finding[] = [];
    for (const workers of PROCESSES) {
      const measured = await perSecond(place, { workers, count });
      const what = `${count} trivial jobs, worker processes: ${workers}, concurrency ${CONCURRENCY} each`;
      findings.push({ bench: 'processes', what, measured, unit: '/s', bar: null });
    }
    return findings;
  });

async function perSecond(
  place: Place,
  { workers, count }: { readonly workers: number; readonly count: number },
): Promise<number> {
  const address = await place.address(`of${workers}`);
  const store = await openAt(address);
  const started = await Promise.all(
    Array.from({ length: workers }, async () =>
      LoneWorker.start(address, { concurrency: CONCURRENCY }),
    ),
  );
  try {
    // All begin at once, when everything is queued.
    for (const worker of started) worker.freeze();
    await queue(address, 'trivial', count);
    const at = performance.now();
    for (const worker of started) worker.thaw();
    await untilDone(store);
    return count / ((performance.now() - at) / 1_000);
  } finally {
    await Promise.all(started.map(async (worker) => worker.stop()));
    await store.close();
  }
}

async function untilDone(store: Store): Promise<void> {
  const query = { who: WHO, tool: null, before: null, limit: 1 };
  for (const giveUpAt = performance.now() + GIVE_UP_MS; performance.now() < giveUpAt;) {
    const open = [
      ...(await store.list({ ...query, status: 'queued' })),
      ...(await store.list({ ...query, status: 'running' })),
    ];
    if (open.length === 0) return;
    await pause(10);
  }
  throw new Error(`jobs are left after ${GIVE_UP_MS} ms`);
}
