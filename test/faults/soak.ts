/** Load that goes on and on: nothing may grow with it. */
import { existsSync, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { tmpdir } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { monotonic } from '../../src/job/clock.ts';
import { until } from '../support/until.ts';
import { percentile, withEnding, type Fault, type FaultRun, type Outcome } from './fault.ts';
import { Fleet } from './fleet.ts';
import { together } from './sums.ts';
import { openFiles, rssMb } from './measure.ts';
import { ENGINES, place, queryDatabase, queryFile } from './place.ts';
import { storm } from './storm.ts';

interface Sample {
  readonly rssMb: number;
  readonly files: number;
  readonly walMb: number;
}

function sampleOf(pid: number, wal: string): Sample {
  return {
    rssMb: rssMb(pid),
    files: openFiles(pid),
    walMb: existsSync(wal) ? Math.round(statSync(wal).size / 1_048_576) : 0,
  };
}

const median = (of: readonly Sample[], what: keyof Sample) =>
  percentile(
    of.map((one) => one[what]),
    0.5,
  );

/** Megabytes a minute, by least squares over samples of a second each. */
function slope(samples: readonly Sample[]): number {
  const middle = (samples.length - 1) / 2;
  const mean = samples.reduce((sum, one) => sum + one.rssMb, 0) / samples.length;
  const [over, under] = samples.reduce(
    ([a, b], one, i) => [a + (i - middle) * (one.rssMb - mean), b + (i - middle) ** 2],
    [0, 0],
  );
  return Math.round((60 * over * 10) / Math.max(1, under)) / 10;
}

const WAL_MB = 64;
const GROWN_MB = 64;
const FILES_MORE = 16;
/** Somebody who looks at the file each second looks at one moment for so long: no checkpoint gets past it. */
const STUCK_S = 8;

/** Load for `count` seconds, with a reader that holds each moment for a second, and one for long. */
async function soak(run: FaultRun): Promise<Outcome> {
  const samples: Sample[] = [];
  const usual: Sample[] = [];
  const outcome = await storm(run, {
    application: 'codes',
    restMs: 10,
    async disturb({ fleet }) {
      const { at, engine } = fleet.place;
      const reader = engine === 'sqlite' ? new DatabaseSync(at, { readOnly: true }) : null;
      const startedAt = monotonic();
      const stuckFrom = Math.floor(run.count / 2);
      for (let second = 0; monotonic() - startedAt < run.count * 1_000; second += 1) {
        const isStuck = second >= stuckFrom && second < stuckFrom + STUCK_S;
        if (reader && !reader.isTransaction) reader.exec('BEGIN');
        reader?.prepare('SELECT count(*) FROM codes').get();
        if (!isStuck) reader?.exec('COMMIT');
        await pause(1_000);
        const sample = sampleOf(fleet.server.pid, `${at}-wal`);
        samples.push(sample);
        // What grew meanwhile is given back by the checkpoints that get through afterwards.
        if (second < stuckFrom || second > stuckFrom + STUCK_S + 3) usual.push(sample);
      }
      if (reader?.isTransaction) reader.exec('COMMIT');
      reader?.close();
      return { seconds: run.count };
    },
  });
  const part = Math.max(1, Math.floor(samples.length / 4));
  const [early, late] = [samples.slice(part, 2 * part), samples.slice(-part)];
  const walMax = Math.max(...usual.map(({ walMb }) => walMb));
  const violations = [...outcome.violations];
  const grown = median(late, 'rssMb') - median(early, 'rssMb');
  if (grown > GROWN_MB) violations.push(`memory grew by ${grown} MB`);
  if (median(late, 'files') - median(early, 'files') > FILES_MORE)
    violations.push('open files grew');
  if (walMax > WAL_MB) violations.push(`the WAL was ${walMax} MB`);
  const counted = {
    ...outcome.counted,
    'RSS MB early': median(early, 'rssMb'),
    'RSS MB late': median(late, 'rssMb'),
    'RSS MB a minute (slope)': slope(samples.slice(part)),
    'open files late': median(late, 'files'),
    'WAL MB (max)': walMax,
    'WAL MB (max) while a reader is stuck': Math.max(...samples.map(({ walMb }) => walMb)),
  };
  return { runs: run.count, counted, violations };
}

const RETENTION_MS = 2_000;
const ROWS = `SELECT (SELECT count(*) FROM jobs) + (SELECT count(*) FROM job_payloads) AS n`;

/** Jobs are purged as fast as they come: the table is as long as what is kept, whatever was done. */
async function purged(run: FaultRun): Promise<Outcome> {
  const at = await place(run.t, run.engine, tmpdir());
  const [caller] = await at.callers(1);
  if (!caller) throw new Error('nobody calls');
  const given = { application: 'works', workers: 2, concurrency: 4, retentionMs: RETENTION_MS };
  const fleet = new Fleet(run.t, at, given as ConstructorParameters<typeof Fleet>[2]);
  await fleet.start();
  const client = fleet.client(caller, 'ann');
  const rows = async (): Promise<number> => {
    const [row] = await (run.engine === 'sqlite' ? queryFile : queryDatabase)(at.at, ROWS);
    return Number(row?.['n']);
  };
  const seconds = Math.max(3, run.count / 4);
  const endsAt = monotonic() + seconds * 1_000;
  let [jobs, most] = [0, 0];
  const lane = async (name: number): Promise<void> => {
    for (let i = 0; monotonic() < endsAt; i += 1) {
      const key = `${name}-${i}`;
      if (await client.submit('quick', { key }, key)) jobs += 1;
    }
  };
  const look = (async () => {
    for (; monotonic() < endsAt; await pause(250)) most = Math.max(most, await rows());
  })();
  await Promise.all([lane(0), lane(1), look]);
  const left = await until('everything is purged', async () => (await rows()) === 0, {
    ms: RETENTION_MS + 15_000,
    everyMs: 200,
  }).then(
    () => 0,
    () => rows(),
  );
  const violations = left > 0 ? [`${left} rows are kept beyond their time`] : [];
  // Four times what comes within the time that it is kept.
  const bound = Math.max(100, (4 * jobs * RETENTION_MS) / 1_000 / seconds);
  if (most > bound) violations.push(`the table had ${most} rows`);
  return {
    runs: 1,
    counted: { 'jobs that were kept for 2 s': jobs, 'rows at most': most, 'rows left': left },
    violations,
  };
}

export const SOAK: Readonly<Record<string, Fault>> = {
  F32: {
    title: `load for so many seconds, with somebody who reads the file each second, and once is stuck for ${STUCK_S} s; then jobs that are kept for 2 s`,
    bar: `memory, open files and the WAL (${WAL_MB} MB, again so when the stuck reader lets go) stay bounded; the table holds what is kept and no more`,
    engines: ENGINES,
    alone: true,
    full: 180,
    quick: 5,
    async run(run) {
      const parts = [
        await withEnding((t) => soak({ ...run, t })),
        await withEnding((t) => purged({ ...run, t })),
      ];
      return { ...together(parts), runs: run.count };
    },
  },
};
