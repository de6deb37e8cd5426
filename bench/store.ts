/** Durable submissions a second into the store, against the least that a group commit can be. */
import { join } from 'node:path';
import type { NewJob } from '../src/job/job.ts';
import { openStore } from '../src/sqlite.ts';
import { BareCommit } from './bare-commit.ts';
import { bossSend, byCallers } from './boss-send.ts';
import { atLeast, type Bench, type Finding } from './finding.ts';
import { withFolder } from './folder.ts';
import { newJob } from './new-job.ts';
import { alternate, both, ratio } from './statistics.ts';

const TABLES = { ours: 'the same table', plain: 'a table without indexes' };

/** On PostgreSQL it is compared with pg-boss's own sending. */
export const store: Bench = async (options) =>
  options.engine === 'postgres' ? bossSend(options) : groupCommit(options);

const groupCommit: Bench = async ({ pairs, quick }) =>
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

async function perSecond(
  callers: number,
  count: number,
  insert: (job: NewJob) => Promise<unknown>,
): Promise<number> {
  const startedAt = performance.now();
  await byCallers(callers, count, async () => insert(newJob('trivial')));
  return count / ((performance.now() - startedAt) / 1_000);
}
