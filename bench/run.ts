/**
 * The benches: `npm run bench -- [name…] [--engine sqlite|postgres] [--json] [--pairs N] [--quick]`.
 *
 * Ratios are measured in one run, in alternating pairs; absolute figures belong to the machine.
 * A missed bar is reported and is no failure of the command: nothing here is a timed test.
 */
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { EngineName } from './engine.ts';
import type { Bench, Finding, NotRun } from './finding.ts';
import { isPassed } from './finding.ts';
import { withFolder } from './folder.ts';
import { median, short } from './statistics.ts';
import { codes } from './codes.ts';
import { contention } from './contention.ts';
import { drain } from './drain.ts';
import { growth } from './growth.ts';
import { listen } from './listen.ts';
import { pickup } from './pickup.ts';
import { processes } from './processes.ts';
import { serving } from './serving.ts';
import { slowDisk } from './slow-disk.ts';
import { start } from './start.ts';
import { store } from './store.ts';
import { submit } from './submit.ts';
import { takeover } from './takeover.ts';
import { wait } from './wait.ts';

const BENCHES: Readonly<Record<string, Bench>> = {
  submit,
  store,
  contention,
  'slow-disk': slowDisk,
  drain,
  pickup,
  codes,
  growth,
  start,
  serving,
  wait,
  listen,
  processes,
  takeover,
};
/** Those that know both engines; the others are about the embedded one, or about no store at all. */
const ON_POSTGRES = ['store', 'drain', 'pickup', 'growth', 'wait', 'processes', 'takeover'];

const wholeNumber = (text: string): number => {
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number from 1.');
};

const command = new Command('npm run bench --')
  .description('what the product costs, beside the least that could do the same')
  .argument('[name...]', 'some benches; default all of the engine')
  .addOption(
    new Option('--engine <engine>').choices(['sqlite', 'postgres'] as const).default('sqlite'),
  )
  .option('--quick', 'a look; the figures mean little', false)
  .option('--pairs <n>', 'pairs of A and B for each ratio; default 9, quick 3', wholeNumber)
  .option('--json', 'findings as JSON', false)
  .addHelpText(
    'after',
    `\nBenches: ${Object.keys(BENCHES).join(', ')}.\nOn PostgreSQL: ${ON_POSTGRES.join(', ')}.`,
  )
  .parse();
const given = command.opts<{ engine: EngineName; quick: boolean; pairs?: number; json: boolean }>();
const { engine, pairs = given.quick ? 3 : 9 } = given;
const known = engine === 'postgres' ? ON_POSTGRES : Object.keys(BENCHES);
const names = command.args.length > 0 ? command.args : known;
const unknown = names.filter((name) => !known.includes(name));
if (unknown.length > 0) {
  command.error(
    `There is no bench ${unknown.join(', ')} on ${engine}; there are ${known.join(', ')}.`,
  );
}

const machine = {
  date: new Date().toISOString().slice(0, 10),
  node: process.version,
  cores: cpus().length,
  processor: cpus()[0]?.model ?? 'unknown',
  memoryMB: Math.round(totalmem() / 1_048_576),
  fsyncMs: Number((await fsyncMs()).toPrecision(3)),
  // Above 0.5 or so somebody else is busy, and absolute figures say little.
  loadBefore: Number((loadavg()[0] ?? 0).toFixed(2)),
  engine,
  pairs,
  quick: given.quick,
};
const rows: Record<string, unknown>[] = [];
let failed = false;
if (!given.json) console.log(JSON.stringify(machine));
for (const name of names) {
  for (const found of await runOne(name)) {
    rows.push(rowOf(found));
    if (!given.json) console.log(lineOf(found));
  }
}
if (given.json) console.log(JSON.stringify({ machine, findings: rows }, null, 2));
process.exit(failed ? 1 : 0);

/** What the disk below the temporary folder takes to keep 4 KB, in the middle. */
async function fsyncMs(): Promise<number> {
  return withFolder(async (folder) => {
    const file = openSync(join(folder, 'fsync'), 'w');
    const page = Buffer.alloc(4_096);
    const times = Array.from({ length: 200 }, () => {
      const startedAt = performance.now();
      writeSync(file, page);
      fsyncSync(file);
      return performance.now() - startedAt;
    });
    closeSync(file);
    return median(times);
  });
}

async function runOne(name: string): Promise<readonly (Finding | NotRun)[]> {
  try {
    return (await BENCHES[name]?.({ engine, pairs, quick: given.quick })) ?? [];
  } catch (error) {
    failed = true;
    console.error(`${name} failed:`, error);
    return [{ bench: name, notRun: `failed: ${String(error)}` }];
  }
}

function rowOf(found: Finding | NotRun): Record<string, unknown> {
  if ('notRun' in found) return { ...found };
  const verdict = found.bar === null ? null : isPassed(found) ? 'pass' : 'missed';
  return { ...found, measured: Number(found.measured.toPrecision(4)), verdict };
}

function lineOf(found: Finding | NotRun): string {
  if ('notRun' in found) return `| ${found.bench} | NOT RUN: ${found.notRun} |`;
  const { bench, what, bar, measured, unit, detail = '' } = found;
  const wanted = bar === null ? '' : `${bar.is === 'at least' ? '≥' : '≤'} ${bar.limit}`;
  const verdict = bar === null ? '' : isPassed(found) ? 'pass' : 'MISSED';
  return `| ${bench} | ${what} | ${wanted} | ${short(measured)} ${unit} | ${verdict} | ${detail} |`;
}
