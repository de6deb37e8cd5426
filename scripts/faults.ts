/**
 * `npm run faults`: does to the product what could happen to it, and looks whether a promise broke.
 *
 *   npm run faults                       what is left to do with this source, for an hour
 *   npm run faults -- F9 F14             these, once more if they are done (not with --rest)
 *   npm run faults -- --engine postgres --quick --seed 7 --count 20 --minutes 5 --lanes 1 --json
 *   npm run faults -- report             write docs/reliability.md from the last results
 *   npm run faults -- report a.json      the same, with results of another machine
 *   npm run faults -- teeth [name]       plant each bug of test/faults/teeth, and look whether it is found
 *
 * Results are kept in build/faults.json, where pieces with other seeds add up; what is repeated with
 * --seed is not kept. A fault runs in a process of its own, which is ended when it hangs; several run
 * side by side, but for those that measure time. The exit code is 1 when something was found.
 */
import { writeSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError, Option } from 'commander';
import { FAULTS } from '../test/faults/catalogue.ts';
import { withEnding, type Fault } from '../test/faults/fault.ts';
import { ENGINES, stopServer, type Engine } from '../test/faults/place.ts';
import { endAllOn, outcomeOf, type Piece } from './faults-process.ts';
import { countOf, keep, merge, read, root, sourceDigest, type Result } from './faults-results.ts';
import { writeReport } from './faults-report.ts';
import { tryTeeth } from './faults-teeth.ts';

// A fault starts hundreds of processes, each of which would compile the same source.
process.env['NODE_COMPILE_CACHE'] ??= join(root, 'build/compile-cache');

const LIMIT_MINUTES = 60;
const SELF = fileURLToPath(import.meta.url);

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
  .option('--lanes <n>', 'faults at a time; default as many as processors', wholeNumber)
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
  lanes?: number;
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

type Task = Kind & Piece;

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
  /** Of these some may still be under way. */
  #given: number;
  #msEach = 0;
  #isBroken = false;

  constructor(kind: Kind, before: Result | undefined) {
    this.#kind = kind;
    const { full, quick } = kind.fault;
    const done = before ? countOf(before) : 0;
    const wanted = values.count ?? (values.quick ? quick : full);
    const isMore = isNamed && !values.rest && done >= wanted;
    const isFresh = ['seed', 'count'].some((name) => name in values) || values.quick || isMore;
    this.#given = isFresh ? 0 : done;
    this.#end = wanted;
    const random = Math.floor(Math.random() * 1e9);
    this.#seed = values.seed ?? (isFresh ? random : (before?.pieces[0]?.seed ?? random));
    if (before && done > 0) this.#msEach = before.ms / done;
  }

  get isAlone(): boolean {
    return this.#kind.fault.alone ?? false;
  }

  /** @returns null when nothing is left, or nothing that fits into the time */
  next(leftMs: number): Task | null {
    if (leftMs <= 0 || this.#isBroken) return null;
    const left = Math.min(this.#end - this.#given, this.#kind.fault.piece ?? Infinity);
    const fitting = this.#msEach > 0 ? Math.floor(leftMs / this.#msEach) : left;
    const count = this.#kind.fault.piece ? Math.min(left, fitting) : fitting < left ? 0 : left;
    if (count <= 0) return null;
    const seed = this.#seed + this.#given;
    this.#given += count;
    return { ...this.#kind, seed, count };
  }

  ended({ count }: Task, { ms, violations, missing }: Result): void {
    this.#msEach = ms / count;
    this.#isBroken ||= missing !== null || violations.length > 0;
  }
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
  const rests = kinds()
    .toSorted((a, b) => share(a) - share(b))
    .map((kind) => new Rest(kind, doneOf(kind)));
  let failed = 0;
  /** @returns whether there was anything to do */
  const turn = async (rest: Rest): Promise<boolean> => {
    const task = rest.next(leftMs());
    if (!task) return false;
    const result = await resultOf(task, source);
    rest.ended(task, result);
    failed += result.violations.length > 0 ? 1 : 0;
    return true;
  };
  await inTurns(rests, turn);
  if (leftMs() <= 0) say('The time is over; start it again for the rest.');
  process.exitCode = failed > 0 ? 1 : 0;
}

/**
 * A piece of each in turn: those that measure time one by one, then the others side by side, until
 * nothing is left of any.
 */
async function inTurns(
  rests: readonly Rest[],
  turn: (rest: Rest) => Promise<boolean>,
): Promise<void> {
  const lanes = Math.max(1, values.lanes ?? availableParallelism());
  let alone = rests.filter(({ isAlone }) => isAlone);
  let others = rests.filter(({ isAlone }) => !isAlone);
  while (alone.length + others.length > 0) {
    const going: Rest[] = [];
    for (const rest of alone) if (await turn(rest)) going.push(rest);
    alone = going;
    const queue = others;
    others = [];
    const lane = async (): Promise<void> => {
      for (let rest = queue.shift(); rest; rest = queue.shift()) {
        // Where nobody has to be alone any more, nobody waits for the end of a round.
        const next = alone.length === 0 ? queue : others;
        next.push(rest);
        if (!(await turn(rest)) && next.includes(rest)) next.splice(next.indexOf(rest), 1);
      }
    };
    await Promise.all(Array.from({ length: lanes }, lane));
  }
}

async function resultOf(task: Task, source: string): Promise<Result> {
  const { name: fault, engine, seed, count } = task;
  const missing = task.fault.missing?.() ?? null;
  const began = performance.now();
  const outcome =
    missing === null ? await outcomeOf(SELF, task) : { runs: 0, counted: {}, violations: [] };
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
if (values.inside) {
  // Whoever started us is gone.
  process.once('disconnect', () => process.exit(1));
  await inside();
} else if (first === 'report') {
  merge(rest);
  await writeReport();
} else if (first === 'teeth') process.exitCode = tryTeeth(rest, say) ? 0 : 1;
else {
  endAllOn('SIGINT', 'SIGTERM');
  await runAll();
  if (positionals.length === 0 && !values.quick && !values.json) await writeReport();
}
