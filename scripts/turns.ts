/**
 * `npm run turns`: what a job costs an agent, in calls and bytes, over each way of talking to the
 * server. Jobs of 2, 45 and 300 s run at the same time, with hints and without, and take about five
 * and a half minutes; `--quick` runs those of 2 s alone. `--json` prints one object. Exits with 1
 * when a bar is missed.
 */
import { styleText } from 'node:util';
import { Command } from 'commander';
import { pursue, type Goal, type Run, type Surface } from './turns-agent.ts';
import { host2025, host2026 } from './turns-hosts.ts';
import { turnsServer } from './turns-server.ts';

const values = new Command('npm run turns --')
  .description('counts the calls and bytes that a job costs an agent, on every surface')
  .option('--quick', 'only the shortest job', false)
  .option('--json', 'results as JSON', false)
  .parse()
  .opts<{ quick: boolean; json: boolean }>();

/** Most calls that an agent with hints may need, by the seconds that the job takes. */
const CALLS_MAX: Readonly<Record<number, number>> = { 2: 2, 45: 3, 300: 14 };
const BULK_BYTES_MAX = 2_048;

interface Row extends Run {
  readonly surface: string;
  readonly job: string;
  readonly hints: boolean;
  /** What was missed; null when all is well. */
  readonly missed: string | null;
}

const rows = await measure(values.quick ? [2] : [2, 45, 300]);
if (values.json) console.log(JSON.stringify({ bars: { CALLS_MAX, BULK_BYTES_MAX }, rows }));
else printTable(rows);
if (rows.some(({ missed }) => missed !== null)) process.exitCode = 1;

async function measure(lengths: readonly number[]): Promise<Row[]> {
  await using server = await turnsServer();
  const bulk: Goal = {
    purpose: /access codes.*Queues a job/s,
    args: {
      plan_id: server.planId,
      quantity: 250,
      export_type: 'file',
      expiry_preset: 'no_expiry',
    },
  };
  const surfaces: readonly ((hints: boolean) => Promise<Surface>)[] = [
    () => server.surface('tools, 2025-11-25', 'legacy'),
    () => server.surface('tools, 2026-07-28', { pin: '2026-07-28' }),
    () => host2025(server),
    (hints) => host2026(server, hints),
  ];
  const runs: Promise<Row>[] = [];
  for (const connect of surfaces) {
    for (const hints of [true, false]) {
      for (const seconds of lengths) {
        runs.push(connect(hints).then((surface) => slowRow(surface, seconds, hints)));
      }
      runs.push(connect(hints).then((surface) => bulkRow(surface, bulk, hints)));
    }
  }
  // The server lives until the last of them has ended, well or badly.
  await Promise.allSettled(runs);
  return await Promise.all(runs);
}

async function slowRow(surface: Surface, seconds: number, hints: boolean): Promise<Row> {
  const run = await pursue(surface, { purpose: /Takes its time/, args: { seconds } }, hints);
  const callsMax = CALLS_MAX[seconds] ?? 0;
  const isDear = hints && run.calls > callsMax;
  const missed = endMissed(run) ?? (isDear ? `more than ${callsMax} calls` : null);
  return { ...run, surface: surface.name, job: `${seconds} s`, hints, missed };
}

async function bulkRow(surface: Surface, bulk: Goal, hints: boolean): Promise<Row> {
  const run = await pursue(surface, bulk, hints);
  const isLong = run.longestBytes > BULK_BYTES_MAX;
  const missed = endMissed(run) ?? (isLong ? `an answer over ${BULK_BYTES_MAX} bytes` : null);
  return { ...run, surface: surface.name, job: 'bulk', hints, missed };
}

function endMissed({ status }: Run): string | null {
  return status === 'completed' ? null : `ended as ${status}`;
}

function printTable(all: readonly Row[]): void {
  const table = [
    ['surface', 'job', 'hints', 'calls', 'requests', 'bytes', 'longest answer', 'seconds', ''],
    ...all.map((row) => [
      row.surface,
      row.job,
      row.hints ? 'yes' : 'no',
      String(row.calls),
      String(row.requests),
      String(row.bytes),
      String(row.longestBytes),
      row.seconds.toFixed(1),
      row.missed ?? 'ok',
    ]),
  ];
  const widths = (table[0] ?? []).map((_, i) =>
    Math.max(...table.map((row) => (row[i] ?? '').length)),
  );
  for (const row of table) {
    const line = row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ');
    console.log(/ok\s*$|surface/.test(line) ? line : styleText('red', line));
  }
}
