/**
 * What serving costs: a tool that does nothing, on our server with all its tools and checks, against
 * the SDK's default serving as its documentation shows it. 32 connections; no worker runs.
 */
import { join } from 'node:path';
import { atLeast, type Bench } from './finding.ts';
import { withFolder } from './folder.ts';
import { Caller, type LoadResult } from './load.ts';
import { ServerUnderTest } from './server.ts';
import { alternate, both, percentile, ratio } from './statistics.ts';

const rate = ({ perSecond }: LoadResult) => perSecond;
const p50 = ({ latencies }: LoadResult) => percentile(latencies, 50);

export const serving: Bench = async ({ pairs, quick }) =>
  withFolder(async (folder) => {
    const settings = { db: join(folder, 'jobs.db'), workers: 0, concurrency: 1 };
    await using ours = await ServerUnderTest.start({ kind: 'ours', ...settings });
    await using theirs = await ServerUnderTest.start({ kind: 'sdk', ...settings });
    using caller = new Caller();
    const noop = async ({ url, token }: ServerUnderTest) =>
      caller.run({
        url,
        token,
        connections: 32,
        count: quick ? 600 : 3_000,
        calls: [{ tool: 'noop', args: { n: 1 } }],
      });
    const found = await alternate(
      pairs,
      async () => noop(ours),
      async () => noop(theirs),
    );
    return [
      {
        bench: 'serving',
        what: "no-op : SDK's default serving, throughput",
        measured: ratio(found, rate),
        unit: 'x',
        bar: atLeast(1.25),
        detail: `${both(found, rate, '/s')}, p50 ${both(found, p50, 'ms')}`,
      },
    ];
  });
