/** Durable submissions a second into the store, against the least that a group commit can be. */
import { join } from 'node:path';
import type { NewJob } from '../src/job/job.ts';
import { openStore } from '../src/sqlite.ts';
import { BareCommit } from './bare-commit.ts';
import { atLeast, type Bench, type Finding } from './finding.ts';
import { withFolder } from './folder.ts';
import { newJob } from './new-job.ts';
import { alternate, both, ratio } from './statistics.ts';

const TABLES = { ours: 'the same table', plain: 'a table without indexes' };

export const store: Bench = async ({ pairs, quick }) =>
  withFolder(async (folder) => {
    const ours = await openStore(join(folder, 'jobs.db'));
    const findings: Finding[] = [];
    for (const table of ['ours', 'plain'] as const) {
      const path = join(folder, `${table}.db`);
      if (table === 'ours') await (await openStore(path)).close();
      const bare = new BareCommit(path, table);
      for (const callers of [1, 32]) {
        const count = (callers === 1 ? 3_000 : 20_000) / (quick ? 4 : 1);
        const found = await alternate(
          pairs,
          async () => perSecond(callers, count, async (job) => ours.insert(job, 0)),
          async () => perSecond(callers, count, async (job) => bare.insert(job)),
        );
        findings.push({
          bench: 'store',
          what: `submissions : bare group commit into ${TABLES[table]}, callers: ${callers}`,
          measured: ratio(found, (rate) => rate),
          unit: 'x',
          bar: atLeast(0.8),
          detail: both(found, (rate) => rate, '/s'),
        });
      }
      await bare.close();
    }
    await ours.close();
    return findings;
  });

/** Each caller sends its next job when it has the answer to the one before. */
async function perSecond(
  callers: number,
  count: number,
  insert: (job: NewJob) => Promise<unknown>,
): Promise<number> {
  const startedAt = performance.now();
  let left = count;
  const call = async () => {
    while (left > 0) {
      left -= 1;
      await insert(newJob('trivial'));
    }
  };
  await Promise.all(Array.from({ length: callers }, call));
  return count / ((performance.now() - startedAt) / 1_000);
}
