/**
 * Four workers that run trivial jobs back to back beside 200 submissions a second: how long a
 * submission takes for its caller, and a worker's durable write in the server.
 */
import { join } from 'node:path';
import { openStore } from '../src/sqlite.ts';
import { fill } from './fill.ts';
import { atMost, type Bench } from './finding.ts';
import { withFolder } from './folder.ts';
import { Caller } from './load.ts';
import { ServerUnderTest } from './server.ts';
import { percentile, short } from './statistics.ts';

const PER_SECOND = 200;

export const contention: Bench = async ({ quick }) =>
  withFolder(async (folder) => {
    const db = join(folder, 'jobs.db');
    await (await openStore(db)).close();
    // More than the workers can finish meanwhile.
    await fill(db, { tool: 'trivial', queued: quick ? 60_000 : 300_000, finished: 0 });
    const settings = { kind: 'ours', db, workers: 4, concurrency: 1 } as const;
    await using server = await ServerUnderTest.start(settings);
    using caller = new Caller();
    const load = async (seconds: number) =>
      caller.run({
        url: server.url,
        token: server.token,
        connections: 32,
        calls: [{ tool: 'trivial', args: { n: 1 } }],
        count: PER_SECOND * seconds,
        perSecond: PER_SECOND,
      });
    await load(2);
    await server.timings();
    const seconds = quick ? 3 : 20;
    const { latencies } = await load(seconds);
    const { insert, claim, apply } = await server.timings();
    const work = [...claim, ...apply];
    const describe = (of: readonly number[]) =>
      `p50 ${short(percentile(of, 50))}, max ${short(percentile(of, 100))} ms`;
    const p99 = (what: string, of: readonly number[], limit: number, more = '') => ({
      bench: 'contention',
      what,
      measured: percentile(of, 99),
      unit: 'ms' as const,
      bar: atMost(limit),
      detail: `${describe(of)}${more}`,
    });
    const rate = `; ${short(apply.length / seconds)} jobs/s beside`;
    return [
      p99('submission through MCP, p99', latencies, 20, rate),
      p99('submission in the store, p99', insert, 20),
      p99("a worker's transaction, p99", work, 50),
    ];
  });
