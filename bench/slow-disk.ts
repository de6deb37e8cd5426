/**
 * A disk whose every fsync takes 10 ms longer must slow submissions only: polls beside 32 callers
 * that submit, against the same server on the same disk undelayed, both below strace.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { atMost, type Bench } from './finding.ts';
import { withFolder } from './folder.ts';
import { Caller, type LoadResult } from './load.ts';
import { ServerUnderTest } from './server.ts';
import { alternate, both, percentile, ratio } from './statistics.ts';

const STRACE = 'strace';
const TRACE = '-f --seccomp-bpf -qq -o /dev/null -e trace=fsync,fdatasync'.split(' ');
const DELAY = ['-e', 'inject=fsync,fdatasync:delay_enter=10000'];
const p99 = ({ latencies }: LoadResult) => percentile(latencies, 99);

export const slowDisk: Bench = async ({ pairs, quick }) => {
  if (spawnSync(STRACE, ['--version']).status !== 0) {
    return [{ bench: 'slow-disk', notRun: 'strace is missing; run: apt-get install strace' }];
  }
  return withFolder(async (folder) => {
    const settings = { kind: 'ours', workers: 0, concurrency: 1 } as const;
    const start = async (name: string, more: readonly string[]) =>
      ServerUnderTest.start({ ...settings, db: join(folder, name) }, [STRACE, ...TRACE, ...more]);
    await using slow = await start('slow.db', DELAY);
    await using plain = await start('plain.db', []);
    using submitter = new Caller();
    using poller = new Caller();
    const count = quick ? 400 : 2_000;
    const measure = async ({ url, token }: ServerUnderTest): Promise<LoadResult> => {
      const submission = { tool: 'trivial', args: { n: 1 } };
      const first = { url, token, calls: [submission], connections: 1, count: 1 };
      const { jobIds } = await poller.run({ ...first, keepJobIds: true });
      const calls = jobIds.map((job_id) => ({ tool: 'get_job_status', args: { job_id } }));
      const submitting = submitter.run({ ...first, connections: 32, count: count * 4 });
      const polled = await poller.run({ url, token, calls, connections: 4, count });
      await submitting;
      return polled;
    };
    const found = await alternate(
      pairs,
      async () => measure(slow),
      async () => measure(plain),
    );
    const measured = ratio(found, p99);
    const what = 'polls beside 32 submitters, fsync + 10 ms : undelayed, p99';
    const detail = both(found, p99, 'ms');
    return [{ bench: 'slow-disk', what, measured, unit: 'x', bar: atMost(2), detail }];
  });
};
