/**
 * What serving costs: a tool that does nothing, on our server with all its checks, against the SDK's
 * default serving as its documentation shows it, with as many tools. 32 connections; no worker runs.
 */
import { join } from 'node:path';
import { atLeast, type Bench, type Finding } from './finding.ts';
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
    await using tuned = await ServerUnderTest.start({ kind: 'sdk, tuned', ...settings });
    using caller = new Caller();
    const noop = async ({ url, token }: ServerUnderTest) =>
      caller.run({
        url,
        token,
        connections: 32,
        count: quick ? 600 : 3_000,
        calls: [{ tool: 'noop', args: { n: 1 } }],
      });
    const against = async (
      peer: ServerUnderTest,
      what: string,
      bar: Finding['bar'],
    ): Promise<Finding> => {
      const found = await alternate(
        pairs,
        async () => noop(ours),
        async () => noop(peer),
      );
      const detail = `${both(found, rate, '/s')}, p50 ${both(found, p50, 'ms')}`;
      return { bench: 'serving', what, measured: ratio(found, rate), unit: 'x', bar, detail };
    };
    return [
      await against(theirs, "no-op : SDK's default serving, throughput", atLeast(1.25)),
      await against(tuned, 'no-op : the same with its schemas made once, throughput', null),
    ];
  });
