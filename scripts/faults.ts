/**
 * `npm run faults`: does to the product what could happen to it, and looks whether a promise broke.
 *
 *   npm run faults                       everything that was not yet done with this source, at most an hour
 *   npm run faults -- F9 F14             these, whether they were done or not
 *   npm run faults -- --engine postgres --quick --seed 7 --count 20 --json
 *   npm run faults -- report             write docs/reliability.md from the last results
 *   npm run faults -- teeth [name]       plant each bug of test/faults/teeth, and look whether it is found
 *
 * Results are kept in build/faults.json. A fault runs in a process of its own, which is ended when it
 * hangs. The exit code is 1 when something was found.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { FAULTS } from '../test/faults/catalogue.ts';
import { withEnding, type Outcome } from '../test/faults/fault.ts';
import { ENGINES, stopServer, type Engine } from '../test/faults/place.ts';
import { keep, read, sourceDigest, type Result } from './faults-results.ts';
import { writeReport } from './faults-report.ts';
import { tryTeeth } from './faults-teeth.ts';

const LIMIT_MS = 60 * 60_000;
/** A fault that takes longer hangs. */
const FAULT_MS = 15 * 60_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    engine: { type: 'string' },
    quick: { type: 'boolean', default: false },
    seed: { type: 'string' },
    count: { type: 'string' },
    json: { type: 'boolean', default: false },
    /** One fault, in this process; its outcome is the last line. */
    inside: { type: 'boolean', default: false },
  },
});

const say = (text: string): void => void writeSync(1, `${text}\n`);

interface Task {
  readonly name: string;
  readonly engine: Engine;
  readonly seed: number;
  readonly count: number;
  readonly isFull: boolean;
}

function tasks(): Task[] {
  const unknown = positionals.filter((name) => !FAULTS.has(name));
  if (unknown.length > 0)
    throw new Error(
      `There is no fault ${unknown.join(', ')}; there are ${[...FAULTS.keys()].join(', ')}.`,
    );
  const engines = ENGINES.filter(
    (engine) => values.engine === undefined || engine === values.engine,
  );
  if (engines.length === 0)
    throw new Error(`--engine is ${values.engine}; it must be sqlite or postgres.`);
  const seed = values.seed === undefined ? Math.floor(Math.random() * 1e9) : Number(values.seed);
  return [...FAULTS]
    .filter(([name]) => positionals.length === 0 || positionals.includes(name))
    .flatMap(([name, fault]) =>
      fault.engines
        .filter((engine) => engines.includes(engine))
        .map((engine) => {
          const usual = values.quick ? fault.quick : fault.full;
          const count = values.count === undefined ? usual : Number(values.count);
          return { name, engine, seed, count, isFull: count >= fault.full };
        }),
    );
}

/** In a process of its own, whose files vanish with it. */
async function outcomeOf({ name, engine, seed, count }: Task): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), 'mcp-async-jobs-faults-'));
  const args = [
    name,
    '--inside',
    '--engine',
    engine,
    '--seed',
    String(seed),
    '--count',
    String(count),
  ];
  const child = spawn(
    process.execPath,
    [...process.execArgv, fileURLToPath(import.meta.url), ...args],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      // PostgreSQL runs as a user who may not enter it, and cleans up after itself.
      env: { ...process.env, ...(engine === 'sqlite' && { TMPDIR: folder }) },
    },
  );
  const hanging = setTimeout(() => child.kill('SIGKILL'), FAULT_MS);
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(hanging);
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  const last = text.trimEnd().split('\n').at(-1) ?? '';
  if (code === 0) return JSON.parse(last) as Outcome;
  return { runs: 0, counted: {}, violations: [`the fault could not be done: ended with ${code}`] };
}

/** The one task that this process was started for. */
async function inside(): Promise<void> {
  const [task] = tasks();
  const fault = FAULTS.get(task?.name ?? '');
  if (!task || !fault) throw new Error('There is nothing to do.');
  try {
    const outcome = await withEnding((t) => fault.run({ ...task, t }));
    say(JSON.stringify(outcome));
  } finally {
    await stopServer();
  }
  process.exit(0);
}

function tell(result: Result): void {
  if (values.json) return say(JSON.stringify(result));
  const { fault, engine, runs, violations, seed, ms, counted, missing } = result;
  const head = `${fault.padEnd(4)}${engine.padEnd(9)}`;
  if (missing) return say(`${head}NOT RUN: ${missing}`);
  const facts = Object.entries(counted).map(([what, value]) => `${what} ${value}`);
  say(
    `${head}${runs} runs, ${violations.length} violations, ${Math.round(ms / 1_000)} s, seed ${seed}: ${facts.join(', ')}`,
  );
  for (const violation of violations.slice(0, 20)) say(`      ${violation}`);
}

async function runAll(): Promise<void> {
  const source = sourceDigest();
  const before = read();
  const isDone = ({ name, engine }: Task) =>
    positionals.length === 0 &&
    values.count === undefined &&
    before.some(
      (one) =>
        one.fault === name &&
        one.engine === engine &&
        one.source === source &&
        one.isFull &&
        one.violations.length === 0,
    );
  const startedAt = performance.now();
  let failed = 0;
  for (const task of tasks()) {
    if (!values.quick && isDone(task)) continue;
    if (performance.now() - startedAt > LIMIT_MS) {
      say('The hour is over; start it again for the rest.');
      break;
    }
    const missing = FAULTS.get(task.name)?.missing?.() ?? null;
    const began = performance.now();
    const outcome =
      missing === null ? await outcomeOf(task) : { runs: 0, counted: {}, violations: [] };
    const { name: fault, engine, seed, isFull } = task;
    const result: Result = {
      fault,
      engine,
      seed,
      isFull,
      missing,
      source,
      ...outcome,
      date: new Date().toISOString().slice(0, 10),
      ms: performance.now() - began,
    };
    tell(result);
    keep(result);
    failed += result.violations.length > 0 ? 1 : 0;
  }
  process.exitCode = failed > 0 ? 1 : 0;
}

const [first, ...rest] = positionals;
if (values.inside) await inside();
else if (first === 'report') await writeReport();
else if (first === 'teeth') process.exitCode = (await tryTeeth(rest, say)) ? 0 : 1;
else {
  await runAll();
  if (positionals.length === 0 && !values.quick && !values.json) await writeReport();
}
