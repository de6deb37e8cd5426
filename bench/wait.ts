/**
 * What 2,000 callers cost who wait at once for 100 jobs with `wait_seconds: 25`: memory, and how
 * long other calls take meanwhile. No worker runs, so every wait lasts to its end.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { atMost, type Bench } from './finding.ts';
import { withPlace } from './engine.ts';
import { Caller } from './load.ts';
import { proportionalMB } from './memory.ts';
import { ServerUnderTest } from './server.ts';
import { median, percentile, short } from './statistics.ts';

const WAITERS = 2_000;
const JOBS = 100;
/** Other calls: few enough to leave the server idle most of the time. */
const PER_SECOND = 200;
/** The waits have begun, and what beginning them left over is collected. */
const SETTLED_MS = 5_000;

export const wait: Bench = async ({ engine, quick }) =>
  withPlace(engine, async (place) => {
    const db = await place.address('jobs');
    await using server = await ServerUnderTest.start({
      kind: 'ours',
      db,
      workers: 0,
      concurrency: 1,
    });
    using waiters = new Caller();
    using others = new Caller();
    const { url, token } = server;
    const one = async (tool: string, count: number) =>
      others.run({
        url,
        token,
        connections: 8,
        count,
        calls: [{ tool, args: { n: 1 } }],
        keepJobIds: true,
      });
    const otherCalls = async (): Promise<number[]> => {
      const calls = [{ tool: 'noop', args: { n: 1 } }];
      const medians: number[] = [];
      for (let part = 0; part < (quick ? 2 : 4); part += 1) {
        const load = { url, token, calls, connections: 8, perSecond: PER_SECOND };
        const { latencies } = await others.run({ ...load, count: 2 * PER_SECOND });
        medians.push(percentile(latencies, 50));
      }
      return medians;
    };
    const { jobIds } = await one('trivial', JOBS);
    const calls = jobIds.map((job_id) => ({
      tool: 'get_job_status',
      args: { job_id, wait_seconds: 25 },
    }));
    // What a first use of everything costs is no cost of waiting.
    await one('noop', 4_000);
    await pause(SETTLED_MS);

    const [emptyMB, before] = [proportionalMB(server.pid), await otherCalls()];
    const waiting = waiters.run({ url, token, calls, connections: WAITERS, count: WAITERS });
    await pause(SETTLED_MS);
    const fullMB = proportionalMB(server.pid);
    const during = median(await otherCalls());
    await waiting;
    const alone = median([...before, ...(await otherCalls())]);
    return [
      {
        bench: 'wait',
        what: `memory of ${WAITERS.toLocaleString('en')} waiters, for each`,
        measured: ((fullMB - emptyMB) * 1_024) / WAITERS,
        unit: 'kB',
        bar: null,
        detail: `${short(emptyMB)} to ${short(fullMB)} MB, with their connections`,
      },
      {
        bench: 'wait',
        what: 'other calls meanwhile : without waiters, p50',
        measured: during / alone,
        unit: 'x',
        bar: atMost(1.2),
        detail: `${short(during)} : ${short(alone)} ms`,
      },
    ];
  });
