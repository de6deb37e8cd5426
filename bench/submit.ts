/**
 * What durability costs a caller: submissions and polls through MCP against a tool of the same
 * server that does nothing, and that tool against the SDK's own default serving.
 * 32 connections; no worker runs, so that only the submission itself is measured.
 */
import { join } from 'node:path';
import { atLeast, atMost, type Bench, type Finding, type NotRun } from './finding.ts';
import { withFolder } from './folder.ts';
import { Caller, type LoadResult } from './load.ts';
import { ServerUnderTest } from './server.ts';
import { alternate, both, percentile, ratio, type Pair } from './statistics.ts';

const CONNECTIONS = 32;
const POLLED = 500;

const p50 = ({ latencies }: LoadResult) => percentile(latencies, 50);
const rate = ({ perSecond }: LoadResult) => perSecond;

export const submit: Bench = async ({ pairs, quick }) =>
  withFolder(async (folder) => {
    const count = quick ? 600 : 3_000;
    const settings = { kind: 'ours', workers: 0, concurrency: 1 } as const;
    await using server = await ServerUnderTest.start({ ...settings, db: join(folder, 'jobs.db') });
    using caller = new Caller();
    const calls = (tool: string, args: readonly object[], to: ServerUnderTest = server) =>
      caller.run({
        url: to.url,
        token: to.token,
        connections: CONNECTIONS,
        count,
        calls: args.map((given) => ({ tool, args: given })),
        keepJobIds: tool === 'trivial' && args.length === 1,
      });
    const noop = async () => calls('noop', [{ n: 1 }]);
    const submission = async () => calls('trivial', [{ n: 1 }]);
    const { jobIds } = await submission();
    const polled = jobIds.slice(-POLLED).map((job_id) => ({ job_id }));

    const submissions = await alternate(pairs, submission, noop);
    const polls = await alternate(pairs, async () => calls('get_job_status', polled), noop);
    return [
      finding('submissions : no-op, throughput', submissions, rate, atLeast(0.9)),
      finding('submissions : no-op, p50', submissions, p50, atMost(1.15)),
      finding('polls : no-op, throughput', polls, rate, atLeast(0.95)),
      await againstSdk(pairs, noop, async (sdk) => calls('noop', [{ n: 1 }], sdk)),
    ];
  });

async function againstSdk(
  pairs: number,
  ours: () => Promise<LoadResult>,
  theirs: (sdk: ServerUnderTest) => Promise<LoadResult>,
): Promise<Finding | NotRun> {
  let sdk: ServerUnderTest;
  try {
    sdk = await ServerUnderTest.start({ kind: 'sdk', db: '', workers: 0, concurrency: 1 });
  } catch (error) {
    const why = `the SDK's adapter for Node is missing; run: npm --prefix bench ci (${String(error)})`;
    return { bench: 'submit', notRun: why };
  }
  await using running = sdk;
  const found = await alternate(pairs, ours, async () => theirs(running));
  return finding("no-op : SDK's default serving, throughput", found, rate, atLeast(0.9));
}

function finding(
  what: string,
  pairs: readonly Pair<LoadResult>[],
  figure: (of: LoadResult) => number,
  bar: Finding['bar'],
): Finding {
  const unit = figure === rate ? '/s' : 'ms';
  const detail = both(pairs, figure, unit);
  return { bench: 'submit', what, measured: ratio(pairs, figure), unit: 'x', bar, detail };
}
