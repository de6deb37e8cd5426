/** Counting after a crash: what was acknowledged, what was written. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { Job } from '../../src/job/job.ts';
import { isFinal } from '../../src/job/states.ts';
import { openStore } from '../../src/sqlite.ts';
import type { Store } from '../../src/store/store.ts';
import { who } from '../support/a-job.ts';
import type { Script } from '../support/child.ts';
import { countPieces, PIECES } from '../support/jobs.ts';
import type { Ending } from '../support/temp.ts';
import { until } from '../support/until.ts';

export function acknowledged(scripts: readonly Script[]): string[] {
  return scripts.flatMap(({ lines }) =>
    lines.filter(({ event }) => event === 'acknowledged').map(({ id }) => String(id)),
  );
}

/** The store as another process sees it; a test only reads from it. */
export async function lookInto(t: Ending, folder: string): Promise<Store> {
  const store = await openStore(join(folder, 'jobs.db'), { migrations: [PIECES], isGuest: true });
  t.after(() => store.close());
  return store;
}

export async function everyJob(store: Store): Promise<Job[]> {
  const jobs: Job[] = [];
  for (let last: Job | undefined; ;) {
    const before = last ? { createdAt: last.createdAt, id: last.id } : null;
    const page = await store.list({ who: who(), status: null, tool: null, before, limit: 101 });
    jobs.push(...page);
    last = page.at(-1);
    if (!last) return jobs;
  }
}

/** Wait until every job is final; each that was acknowledged is there, with its effects exactly once. */
export async function assertNothingLost(
  store: Store,
  acknowledgedIds: readonly string[],
  { ms = 20_000 } = {},
): Promise<Job[]> {
  let open: Job[] = [];
  const jobs = await until(
    'every job is final',
    async () => {
      const found = await everyJob(store);
      open = found.filter(({ status }) => !isFinal(status));
      return open.length === 0 && found;
    },
    { ms, everyMs: 100 },
  ).catch((cause: unknown) => {
    throw new Error(`${open.length} jobs are open, the first: ${JSON.stringify(open[0])}`, {
      cause,
    });
  });
  const ids = new Set(jobs.map(({ id }) => id));
  const lost = acknowledgedIds.filter((id) => !ids.has(id));
  assert.deepEqual(lost, [], `${lost.length} of ${acknowledgedIds.length} were lost`);
  const pieces = new Map(
    (await store.read(countPieces, {})).map((row) => [row.job, row.pieces] as const),
  );
  for (const { id, status, error } of jobs) {
    assert.equal(status, 'completed', `${id}: ${JSON.stringify(error)}`);
    assert.equal(pieces.get(id), 3, id);
  }
  assert.equal(pieces.size, jobs.length);
  return jobs;
}
