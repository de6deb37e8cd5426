/**
 * `npm run faults`: does to the product what could happen to it, and looks whether a promise broke.
 *
 *   npm run faults                       what is left to do with this source, for an hour
 *   npm run faults -- F9 F14             these, once more if they are done (not with --rest)
 *   npm run faults -- --engine postgres --quick --seed 7 --count 20 --minutes 5 --json
 *   npm run faults -- report             write docs/reliability.md from the last results
 *   npm run faults -- report a.json      the same, with results of another machine
 *   npm run faults -- teeth [name]       plant each bug of test/faults/teeth, and look whether it is found
 *
 * Results are kept in build/faults.json, where pieces with other seeds add up; what is repeated with
 * --seed is not kept. A fault runs in a process of its own, which is ended when it hangs. The exit code
 * is 1 when something was found.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError, Option } from 'commander';
import { FAULTS } from '../test/faults/catalogue.ts';
import { withEnding, type Fault, type Outcome } from '../test/faults/fault.ts';
import { ENGINES, stopServer, type Engine } from '../test/faults/place.ts';
import { countOf, keep, merge, read, root, sourceDigest, type Result } from './faults-results.ts';
import { writeReport } from './faults-report.ts';
import { tryTeeth } from './faults-teeth.ts';

// A fault starts hundreds of processes, each of which would compile the same source.
process.env['NODE_COMPILE_CACHE'] ??= join(root, 'build/compile-cache');

const LIMIT_MINUTES = 60;
/** A fault that takes longer hangs. */
const FAULT_MS = 15 * 60_000;

const wholeNumber = (given: string): number => {
  if (/^\d+$/.test(given)) return Number(given);
  throw new InvalidArgumentError('It must be a whole number.');
};

const command = new Command('npm run faults --')
  .description('does to the product what could happen to it, and looks whether a promise broke')
  .argument('[what...]', 'faults such as F9; or report [file...], or teeth [name...]')
  .addOption(new Option('--engine <engine>', 'only on this store').choices(ENGINES))
  .option('--quick', 'the short counts of `npm test`', false)
  .option('--rest', 'of the named faults only what is left', false)
  .option('--seed <n>', 'where seeds begin; what is repeated is not kept', wholeNumber)
  .option('--count <n>', 'how often, in place of the full count', wholeNumber)
  .option('--minutes <n>', 'end after so many; default 60', wholeNumber)
  .option('--json', 'results as lines of JSON', false)
  .addOption(new Option('--inside', 'one fault, in this process').hideHelp())
  .addHelpText(
    'after',
    `
Faults: ${[...FAULTS.keys()].join(', ')}.
Results are kept in build/faults.json; report writes them to docs/reliability.md. The exit code is 1
when something was found.`,
  )
  .parse();
const values = command.opts<{
  engine?: Engine;
  quick: boolean;
  rest: boolean;
  seed?: number;
  count?: number;
  minutes?: number;
  json: boolean;
  inside?: boolean;
}>();
const positionals = command.args;

const say = (text: string): void => void writeSync(1, `${text}\n`);

interface Kind {
  readonly name: string;
  readonly engine: Engine;
  readonly fault: Fault;
}

interface Task extends Kind {
  readonly seed: number;
  readonly count: number;
}

const isNamed = positionals.length > 0;

function kinds(): Kind[] {
  const unknown = positionals.filter((name) => !FAULTS.has(name));
  if (unknown.length > 0) {
    command.error(
      `There is no fault ${unknown.join(', ')}; there are ${[...FAULTS.keys()].join(', ')}.`,
    );
  }
  const engines = ENGINES.filter(
    (engine) => values.engine === undefined || engine === values.engine,
  );
  return [...FAULTS]
    .filter(([name]) => !isNamed || positionals.includes(name))
    .flatMap(([name, fault]) =>
      fault.engines
        .filter((engine) => engines.includes(engine))
        .map((engine) => ({ name, engine, fault })),
    );
}

/** What is still to be done of a fault with this source: seeds go on where the last ones ended. */
class Rest {
  readonly #kind: Kind;
  readonly #seed: number;
  readonly #end: number;
  #done: number;
  #msEach = 0;

  constructor(kind: Kind, before: Result | undefined) {
    this.#kind = kind;
    const { full, quick } = kind.fault;
    const done = before ? countOf(before) : 0;
    const wanted = values.count ?? (values.quick ? quick : full);
    const isMore = isNamed && !values.rest && done >= wanted;
    const isFresh = ['seed', 'count'].some((name) => name in values) || values.quick || isMore;
    this.#done = isFresh ? 0 : done;
    this.#end = wanted;
    const random = Math.floor(Math.random() * 1e9);
    this.#seed = values.seed ?? (isFresh ? random : (before?.pieces[0]?.seed ?? random));
    if (before && done > 0) this.#msEach = before.ms / done;
  }

  /** @returns null when nothing is left, or nothing that fits into the time */
  next(leftMs: number): Task | null {
    const left = Math.min(this.#end - this.#done, this.#kind.fault.piece ?? Infinity);
    const fitting = this.#msEach > 0 ? Math.floor(leftMs / this.#msEach) : left;
    const count = this.#kind.fault.piece ? Math.min(left, fitting) : fitting < left ? 0 : left;
    return count > 0 ? { ...this.#kind, seed: this.#seed + this.#done, count } : null;
  }

  ended({ count }: Task, ms: number): void {
    this.#done += count;
    this.#msEach = ms / count;
  }
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
  const end = (): void => void child.kill('SIGKILL');
  const hanging = setTimeout(end, FAULT_MS);
  // Whoever stops us means what we started as well.
  const onTerm = (): never => {
    end();
    process.exit(143);
  };
  process.once('SIGTERM', onTerm);
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(hanging);
  process.off('SIGTERM', onTerm);
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  const last = text.trimEnd().split('\n').at(-1) ?? '';
  if (code === 0) return JSON.parse(last) as Outcome;
  return { runs: 0, counted: {}, violations: [`the fault could not be done: ended with ${code}`] };
}

/** The one task that this process was started for. */
async function inside(): Promise<void> {
  const [kind] = kinds();
  const [seed, count] = [values.seed, values.count];
  if (!kind || seed === undefined || !count) throw new Error('There is nothing to do.');
  try {
    const { engine, fault } = kind;
    const outcome = await withEnding((t) => fault.run({ t, engine, seed, count }));
    say(JSON.stringify(outcome));
  } finally {
    await stopServer();
  }
  process.exit(0);
}

function tell(result: Result): void {
  if (values.json) return say(JSON.stringify(result));
  const { fault, engine, runs, violations, pieces, ms, counted, missing } = result;
  const head = `${fault.padEnd(4)}${engine.padEnd(9)}`;
  if (missing) return say(`${head}NOT RUN: ${missing}`);
  const facts = Object.entries(counted).map(([what, value]) => `${what} ${value}`);
  say(
    `${head}${runs} runs, ${violations.length} violations, ${Math.round(ms / 1_000)} s, seed ${pieces[0]?.seed}: ${facts.join(', ')}`,
  );
  for (const violation of violations.slice(0, 20)) say(`      ${violation}`);
}

/** A piece of each in turn, so that an hour has seen something of all. */
async function runAll(): Promise<void> {
  const source = sourceDigest();
  const startedAt = performance.now();
  const leftMs = () => (values.minutes ?? LIMIT_MINUTES) * 60_000 - performance.now() + startedAt;
  const before = read().filter((one) => one.source === source);
  const doneOf = ({ name, engine }: Kind): Result | undefined =>
    before.find((one) => one.fault === name && one.engine === engine);
  const share = (kind: Kind): number => {
    const done = doneOf(kind);
    return done ? countOf(done) / kind.fault.full : 0;
  };
  // What is least done comes first, so that whoever starts this often sees something of all.
  let open = kinds()
    .toSorted((a, b) => share(a) - share(b))
    .map((kind) => ({ kind, rest: new Rest(kind, doneOf(kind)) }));
  let failed = 0;
  while (open.length > 0) {
    const going: typeof open = [];
    for (const one of open) {
      const task = leftMs() > 0 ? one.rest.next(leftMs()) : null;
      if (!task) continue;
      const result = await resultOf(task, source);
      one.rest.ended(task, result.ms);
      failed += result.violations.length > 0 ? 1 : 0;
      if (result.missing === null && result.violations.length === 0) going.push(one);
    }
    open = going;
  }
  if (leftMs() <= 0) say('The time is over; start it again for the rest.');
  process.exitCode = failed > 0 ? 1 : 0;
}

async function resultOf(task: Task, source: string): Promise<Result> {
  const { name: fault, engine, seed, count } = task;
  const missing = task.fault.missing?.() ?? null;
  const began = performance.now();
  const outcome =
    missing === null ? await outcomeOf(task) : { runs: 0, counted: {}, violations: [] };
  const result: Result = {
    fault,
    engine,
    pieces: missing === null ? [{ seed, count }] : [],
    missing,
    source,
    ...outcome,
    date: new Date().toISOString(),
    ms: performance.now() - began,
  };
  tell(result);
  if (values.seed === undefined) keep(result);
  return result;
}

const [first, ...rest] = positionals;
if (values.inside) await inside();
else if (first === 'report') {
  merge(rest);
  await writeReport();
} else if (first === 'teeth') process.exitCode = tryTeeth(rest, say) ? 0 : 1;
else {
  await runAll();
  if (positionals.length === 0 && !values.quick && !values.json) await writeReport();
}
